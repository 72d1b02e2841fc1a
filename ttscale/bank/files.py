"""Banks as files: opening any of the forms, export to and import from JSON lines and Parquet.

A JSON-lines export (``.jsonl``, ``.jsonl.gz``) begins with a line of what its samples have in common, under
``ttscale_pool`` the version of the form; then comes one row a sample (`ttscale.bank.rows`). In Parquet the rows
are the table, the common line is in the file's metadata.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from ttscale.bank.bank import VERSION, Bank
from ttscale.bank.logs import add_log, find_log
from ttscale.bank.plain import Columns, add_plain_rows
from ttscale.bank.replacing import replacing, replacing_lines
from ttscale.bank.rows import Row, from_row, to_row
from ttscale.bank.sample import RecordedProblem, model_from_json, prompt_from_json, prompt_json
from ttscale.database import is_database
from ttscale.errors import ConfigError, DataError, MissingExtra
from ttscale.records import Record, read_records
from ttscale.types import JSON

if TYPE_CHECKING:
    import pyarrow

_MARK: Final = "ttscale_pool"
_TEXT_ENDINGS: Final = (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")
_VERSIONS: Final = range(1, VERSION + 1)
"""Of exports that are read."""
_NESTED: Final = ("prompt", "settings", "grades")
"""Fields that Parquet holds as JSON text."""
_BANK_ENDINGS: Final = (".sqlite", ".sqlite3", ".db")
"""Usual for banks; any other will do."""
_BATCH_ROWS: Final = 1000


def open_pool(
    path: Path,
    *,
    columns: Columns | None = None,
    model: str | None = None,
    listener: Callable[[str], None] | None = None,
) -> Bank:
    """Open whatever holds samples: a bank as it is, any other file read into a bank in memory.

    Args:
        path: a bank; an export; a log that `ttscale.bank.logs` knows; or a plain pool in any form that
            `read_records` knows.
        columns: of a plain pool; of a log only `prediction`, the scorer or filter whose answers count.
        model: name of the model of a plain pool or log that names none; default the file's own name.
        listener: is told what whoever imports a log or plain pool should know.

    Raises:
        DataError: the file is missing, of another version, or a row is corrupt, missing or there twice; file
            and line are named.
        ConfigError: columns or the model are named, and the file itself says what they are.
        MissingExtra: it is Parquet and pyarrow is not installed.
    """
    if path.is_file() and is_database(path):
        _refuse_names(path, columns, model)
        return Bank(path, writable=False)
    if path.is_file() and path.suffix in _BANK_ENDINGS:
        raise DataError(f"{str(path)!r} is no sample bank, it is empty or damaged; restore it or take another.")
    bank = Bank(source=path)
    try:
        _read_file(path, bank, columns or Columns(), model, listener)
    except BaseException:
        bank.close()
        raise
    return bank


def import_pool(path: Path, bank: Bank, *, columns: Columns | None = None, model: str | None = None) -> None:
    """Add all samples of a file to a bank, or none.

    Args:
        path: as for `open_pool`.
        bank: where they go; what it holds may not be in the file once more, unless seeds tell that it is the
            same.
        columns: of a plain pool.
        model: of a plain pool, as for `open_pool`.

    Raises:
        DataError: as `open_pool`; or the bank holds samples, or a problem's target, that go against the file's.
        ConfigError: as `open_pool`.
        MissingExtra: as `open_pool`.
    """
    with open_pool(path, columns=columns, model=model) as source:
        copy_bank(source, bank)


def _refuse_names(path: Path, columns: Columns | None, model: str | None) -> None:
    if model is not None or (columns is not None and columns != Columns()):
        raise ConfigError(
            f"{str(path)!r} is no plain pool: it says itself what its columns and models are; name none."
        )


def _read_file(
    path: Path, bank: Bank, columns: Columns, model: str | None, listener: Callable[[str], None] | None
) -> None:
    """Read an export, a log or a plain pool into an empty bank."""
    log = find_log(path, scorer=columns.prediction, model=model)
    if log is not None:
        _refuse_names(path, replace(columns, prediction=None), model if log.names_model else None)
        with bank.writing():
            add_log(log, bank, path=path, listener=listener)
        return
    header, records = _split_header(path)
    with bank.writing():
        if header is None:
            add_plain_rows(records, bank, path=path, columns=columns, model=model, listener=listener)
        else:
            _refuse_names(path, columns, model)
            _add_header(header, bank, path)
            _add_rows(records, bank, path, expected=header.get("num_samples"))


def copy_bank(source: Bank, target: Bank) -> None:
    """Add everything that one bank holds to another.

    Seeded samples that both hold are kept once.

    Raises:
        DataError: unseeded samples of the same series are in both: nothing says whether they are the same; or
            they know different targets of a problem.
    """
    models = {model.fingerprint: model for model in source.models()}
    with target.writing():
        _copy_context(source, target)
        for series in source.series():
            model = models[series.model]
            begun = target.add_series(series.model, series.prompt, series.settings)
            if not model.can_seed and target.heads(begun.key):
                raise DataError(
                    f"{str(source.path)!r}: {str(target.path)!r} already holds samples of "
                    f"{series.prompt.question[:80]!r} from {model.profile.name!r}, and no seeds tell "
                    f"whether they are the same; import into a new bank."
                )
            for sample in source.samples(series.key):
                target.add_sample(begun.key, sample, is_seeded=model.can_seed)


def _copy_context(source: Bank, target: Bank) -> None:
    """Add models, vocabularies, encodings and problems."""
    for model in source.models():
        target.add_model(model)
        target.add_vocabulary(model.fingerprint, source.vocabulary(model.fingerprint))
        for plain, encoded in source.sources(model.fingerprint):
            target.add_encoding(model.fingerprint, plain, encoded)
    known = {(problem.benchmark, problem.id, problem.prompt): problem.target for problem in target.problems()}
    for problem in source.problems():
        before = known.get((problem.benchmark, problem.id, problem.prompt))
        if before is not None and problem.target not in {None, before}:
            raise DataError(
                f"{str(source.path)!r}: the target of problem {problem.name!r} is {problem.target!r}, and "
                f"{str(target.path)!r} holds it with the target {before!r}; mend the file, or import it into "
                f"a new bank."
            )
        target.add_problem(problem)


# ── export ────────────────────────────────────────────────────────────────────────────────────────────────


def export_pool(bank: Bank, path: Path) -> int:
    """Write a bank to a file, which is there whole or not at all; return how many samples that were.

    Args:
        bank: what to write.
        path: ``.jsonl``, ``.jsonl.gz`` or ``.parquet``; replaced if it is there.

    Raises:
        DataError: the file has another ending, or cannot be written.
        MissingExtra: it is Parquet and pyarrow is not installed.
    """
    rows = (to_row(series, sample) for series in bank.series() for sample in bank.samples(series.key))
    try:
        if path.name.endswith(_TEXT_ENDINGS):
            return _write_jsonl(path, _header(bank), rows)
        if path.suffix == ".parquet":
            return _write_parquet(path, _header(bank), rows)
    except UnicodeEncodeError as error:
        raise DataError(
            f"{str(path)!r} cannot be written: a text holds half a character; write .jsonl, which can."
        ) from error
    raise DataError(f"{str(path)!r} has no known ending; use .jsonl, .jsonl.gz or .parquet.")


def _header(bank: Bank) -> Mapping[str, JSON]:
    models = bank.models()
    return {
        _MARK: VERSION,
        "num_samples": bank.num_samples(),
        "models": [model.to_json() for model in models],
        "vocabulary": {
            model.fingerprint: [
                [token_id, text] for token_id, text in bank.vocabulary(model.fingerprint).items()
            ]
            for model in models
        },
        "encodings": {
            model.fingerprint: [list(map(prompt_json, pair)) for pair in bank.sources(model.fingerprint)]
            for model in models
        },
        "problems": [
            {
                "benchmark": problem.benchmark,
                "id": problem.id,
                "prompt": prompt_json(problem.prompt),
                "question": problem.question,
                "target": problem.target,
            }
            for problem in bank.problems()
        ],
    }


def _write_jsonl(path: Path, header: Mapping[str, JSON], rows: Iterable[Row]) -> int:
    count = 0
    with replacing_lines(path) as write:
        write(header)
        for row in rows:
            write(row)
            count += 1
    return count


def _write_parquet(path: Path, header: Mapping[str, JSON], rows: Iterator[Row]) -> int:
    try:
        from pyarrow import Table, parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "evals") from error
    schema, count = _schema().with_metadata({_MARK: json.dumps(header)}), 0
    with replacing(path) as unfinished, parquet.ParquetWriter(unfinished, schema, compression="zstd") as writer:
        while batch := list(itertools.islice(rows, _BATCH_ROWS)):
            plain = [{**row, **{name: _as_text(row.get(name)) for name in _NESTED}} for row in batch]
            writer.write_table(Table.from_pylist(plain, schema=schema))
            count += len(batch)
    return count


def _as_text(document: object) -> str | None:
    return None if document is None else json.dumps(document)


def _schema() -> pyarrow.Schema:  # pyright: ignore[reportUnknownParameterType]  # it has no types
    import pyarrow as pa

    types = {
        "model": pa.string(),
        "prompt": pa.string(),
        "settings": pa.string(),
        **dict.fromkeys(("draw", "num_logprobs", "seed", "max_tokens"), pa.int64()),
        **dict.fromkeys(("finish_reason", "error"), pa.string()),
        **dict.fromkeys(("prompt_computed", "prompt_cached", "generated"), pa.int64()),
        **dict.fromkeys(("seconds", "first_token_seconds"), pa.float64()),
        **dict.fromkeys(("text", "prediction"), pa.string()),
        "token_ids": pa.list_(pa.int64()),
        "logprobs": pa.list_(pa.float64()),
        "top_ids": pa.list_(pa.list_(pa.int64())),
        "top_logprobs": pa.list_(pa.list_(pa.float64())),
        "grades": pa.string(),
    }
    return pa.schema(list(types.items()))


# ── import ────────────────────────────────────────────────────────────────────────────────────────────────


def _split_header(path: Path) -> tuple[Mapping[str, JSON] | None, Iterator[Record]]:
    """Return an export's common line, ``None`` for a plain pool, and the rows.

    Raises:
        DataError: the version is unknown.
    """
    records = read_records(path)
    if path.suffix == ".parquet":
        header, place = _parquet_header(path), f"the metadata of {str(path)!r}"
    else:
        first = next(records, None)
        if first is None:
            raise DataError(f"{str(path)!r} is empty; a pool has at least one sample.")
        if _MARK not in first.fields:
            return None, itertools.chain([first], records)
        header, place = cast("Mapping[str, JSON]", first.fields), first.place
    if header is not None and header.get(_MARK) not in _VERSIONS:
        raise DataError(
            f"{place}: the pool has version {header.get(_MARK)!r}, this ttscale reads 1 to {VERSION}; "
            f"read it with the ttscale that wrote it."
        )
    return header, records


def _parquet_header(path: Path) -> Mapping[str, JSON] | None:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "evals") from error
    try:
        metadata = parquet.read_schema(path).metadata or {}
    except Exception as error:  # whatever the library raises, the file cannot be read
        raise DataError(f"the data file {str(path)!r} cannot be read: {error}.") from error
    written = metadata.get(_MARK.encode())
    return None if written is None else json.loads(written)


def _add_header(header: Mapping[str, JSON], bank: Bank, path: Path) -> None:
    from pydantic import ValidationError

    try:
        for document in cast("Sequence[Mapping[str, JSON]]", header["models"]):
            bank.add_model(model_from_json(document))
        for model, pairs in cast("Mapping[str, Sequence[tuple[int, str]]]", header["vocabulary"]).items():
            bank.add_vocabulary(model, dict(pairs))
        for model, prompts in cast(
            "Mapping[str, Sequence[Sequence[Mapping[str, JSON]]]]", header["encodings"]
        ).items():
            for source, encoded in prompts:
                bank.add_encoding(model, prompt_from_json(source), prompt_from_json(encoded))
        for document in cast("Sequence[Mapping[str, JSON]]", header["problems"]):
            prompt = prompt_from_json(cast("Mapping[str, JSON]", document["prompt"]))
            bank.add_problem(RecordedProblem(**{**document, "prompt": prompt}))  # type: ignore[arg-type]  # as written
    except (ValidationError, ValueError, TypeError, KeyError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"the first line of {str(path)!r} is damaged ({reason}); export it again.") from error


def _add_rows(records: Iterable[Record], bank: Bank, path: Path, *, expected: JSON) -> None:
    known = {model.fingerprint for model in bank.models()}
    places = dict[tuple[str, int, int], str]()
    for record in records:
        model, prompt, settings, sample = from_row(_plain_fields(record), record.place)
        if model not in known:
            raise DataError(f"{record.place}: the model {model!r} is not among those of {str(path)!r}.")
        key = bank.add_series(model, prompt, settings).key
        number = (key, sample.head.draw, sample.head.num_logprobs)
        if number in places:
            raise DataError(
                f"{record.place} is the same sample as {places[number]} (draw {sample.head.draw}); "
                f"take one of them out."
            )
        places[number] = record.place
        bank.add_sample(key, sample)
    if len(places) != expected:
        raise DataError(
            f"{str(path)!r} says it has {expected} samples and has {len(places)}: rows are missing or were "
            f"added; export it again."
        )


def _plain_fields(record: Record) -> Mapping[str, object]:
    """Return a row with what Parquet holds as text read."""
    texts = {name: text for name in _NESTED if isinstance(text := record.fields.get(name), str)}
    try:
        return {**record.fields, **{name: json.loads(text) for name, text in texts.items()}}
    except ValueError as error:
        raise DataError(f"{record.place}: prompt or settings are no JSON ({error}).") from error
