"""Which kind of log a file is, told by its content; reading it into a bank."""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ttscale.bank.bank import Bank
from ttscale.bank.gathering import Address, Asked, Gathering
from ttscale.bank.logs import inspect_log, lm_eval, tau2
from ttscale.bank.logs.fields import Fields, load_json
from ttscale.bank.logs.sample import LoggedSample
from ttscale.bank.sample import RecordedSample, SampleHead
from ttscale.bank.verdicts import Verdicts
from ttscale.errors import ConfigError, DataError
from ttscale.records import Record, read_records

_ZIP: Final = b"PK\x03\x04"
_EMPTY_ZIP: Final = b"PK\x05\x06"
_LINES: Final = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
_DOCUMENTS: Final = (".json", ".json.gz")
_MAX_DOCUMENT_BYTES: Final = 2**30
_READ: Final = "Inspect's .eval and .json, samples_*.jsonl of lm-evaluation-harness, results.json of tau2-bench"


@dataclass(frozen=True, slots=True)
class Log:
    """A log that was found and not read yet."""

    kind: str
    """As in ``"Inspect log"``."""
    names_model: bool
    """Whether it says itself whose samples they are."""
    samples: Iterator[LoggedSample]
    num_expected: int | None = None
    """Samples that it has when it is finished; ``None``: unknown."""
    status: str = ""
    """What it calls its state."""


def find_log(path: Path, *, scorer: str | None = None, model: str | None = None) -> Log | None:
    """Return the log that a file is; ``None``: it is none, but may be something else that we read.

    Args:
        path: the file.
        scorer: the scorer or filter whose answers count; ``None``: the first.
        model: whose samples they are, where the log does not say it.

    Raises:
        DataError: it is none of the logs that are read, of another version, or damaged.
        MissingExtra: it is packed with zstandard, and pyarrow is not installed.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        magic = file.read(4)
    if magic in (_ZIP, _EMPTY_ZIP):
        header, samples = inspect_log.read_zip(path, scorer=scorer)
        return _inspect(header, samples)
    if path.suffix.lower() == ".eval":
        raise DataError(
            f"{str(path)!r} begins with {magic!r}: it is no zip file, as Inspect logs are; get another copy."
        )
    name = path.name.lower()
    if name.endswith(_LINES):
        return _lines(path, scorer, model)
    if name.endswith(_DOCUMENTS):
        return _document(path, scorer)
    return None


def _inspect(header: inspect_log.InspectHeader, samples: Iterator[LoggedSample]) -> Log:
    return Log(
        "Inspect log", names_model=True, samples=samples, num_expected=header.num_expected, status=header.status
    )


def _lines(path: Path, filter_name: str | None, model: str | None) -> Log | None:
    records = read_records(path)
    first = next(records, None)
    if first is None or not lm_eval.is_lm_eval(first.fields):
        return None
    source = lm_eval.Source.of(path, model)
    lines: Iterable[Record] = itertools.chain([first], records)
    samples = lm_eval.read_lines(lines, source, filter_name=filter_name)
    return Log("lm-evaluation-harness log", names_model=lm_eval.OWN in first.fields, samples=samples)


def _document(path: Path, scorer: str | None) -> Log | None:
    """Return the log that a JSON document is; ``None``: it is a list, which is a plain pool."""
    content = _read_object(path)
    if content is None:
        return None
    document = Fields.of(load_json(content, repr(str(path))), repr(str(path)))
    if "eval" in document and "version" in document:
        return _inspect(*inspect_log.read_document(document, scorer=scorer))
    if {"info", "tasks"} <= document.values.keys() and not document.values.keys().isdisjoint(
        ("simulations", "simulation_index")
    ):
        if scorer is not None:
            raise ConfigError(f"{str(path)!r} is of tau2-bench, which takes no answers; leave the column out.")
        return Log("tau2-bench results", names_model=True, samples=tau2.read_results(document, path))
    keys = ", ".join(map(repr, itertools.islice(document.values, 8))) or "nothing"
    raise DataError(
        f"{str(path)!r} is an object with {keys}: no list of rows and no log that is known; read are {_READ}."
    )


def _read_object(path: Path) -> bytes | None:
    """Return the content of a JSON file that begins with an object."""
    is_packed = path.suffix.lower() == ".gz"
    try:
        with gzip.open(path) if is_packed else path.open("rb") as file:
            head = file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
            if not head.startswith(b"{"):
                return None
            content = head + file.read(_MAX_DOCUMENT_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{str(path)!r} cannot be read: {error}.") from error
    if len(content) > _MAX_DOCUMENT_BYTES:
        raise DataError(f"{str(path)!r} has more than {_MAX_DOCUMENT_BYTES:,} bytes; it is not read.")
    return content


def read_log(path: Path, *, scorer: str | None = None, model: str | None = None) -> Iterator[LoggedSample]:
    """Yield the samples of a log with all that it says of them, by problem and number.

    Args:
        path: an Inspect ``.eval`` or ``.json``, a ``samples_*.jsonl`` of lm-evaluation-harness or a
            ``results.json`` of tau2-bench.
        scorer: the scorer or filter whose answers count; ``None``: the first.
        model: whose samples they are, where the log does not say it.

    Raises:
        DataError: it is none of these, of another version, or damaged; the place is named.
        MissingExtra: it is packed with zstandard, and pyarrow is not installed.
        ConfigError: there is no such scorer or filter.
    """
    log = find_log(path, scorer=scorer, model=model)
    if log is None:
        raise DataError(f"{str(path)!r} is no log that is known, or not there; read are {_READ}.")
    return log.samples


def add_log(log: Log, bank: Bank, *, path: Path, listener: Callable[[str], None] | None = None) -> None:
    """Add the samples of a log to an empty bank.

    What `Gathering` says of problems and samples holds.

    Args:
        log: what was found; it is read by this.
        bank: where they go.
        path: the file, for messages.
        listener: is told what the log says and a bank cannot keep.

    Raises:
        DataError: the log is damaged, holds a sample twice, or none.
        ConfigError: there is no such scorer or filter.
    """
    gathering, verdicts, num_samples = Gathering(bank), Verdicts(), 0
    for sample in log.samples:
        recorded = _recorded(sample)
        gathering.add(
            Address(sample.model, sample.benchmark, sample.problem),
            recorded,
            Asked(question=sample.question, target=sample.target, prompt=sample.prompt),
            place=sample.place,
            are_tokens_estimated=sample.are_tokens_estimated,
        )
        verdicts.add(recorded, is_estimated=sample.are_tokens_estimated)
        num_samples += 1
    if not num_samples:
        raise DataError(
            f"the {log.kind} {str(path)!r} has no samples; it was written without them, or too early."
        )
    if listener is not None:
        for note in _notes(log, verdicts, num_samples):
            listener(note)


def _recorded(sample: LoggedSample) -> RecordedSample:
    head = SampleHead(
        draw=sample.number,
        finish_reason=sample.finish_reason,
        error=sample.error,
        usage=sample.usage,
        seconds=sample.seconds,
    )
    return RecordedSample(head=head, text=sample.text, prediction=sample.answer, grades=sample.scores)


def _notes(log: Log, verdicts: Verdicts, num_samples: int) -> Sequence[str]:
    notes = [f"{log.kind}, {num_samples:,} samples", *verdicts.notes()]
    if log.num_expected is not None and num_samples != log.num_expected:
        notes.append(f"a finished log would have {log.num_expected:,} samples; its status is {log.status!r}")
    return notes
