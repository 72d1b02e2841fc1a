"""Logs of Inspect (inspect_ai): ``.eval``, a zip with a member a sample, and the same as one ``.json``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from ttscale.bank.grades import grade_of
from ttscale.bank.logs.fields import Fields, load_json
from ttscale.bank.logs.members import MAX_MEMBER_BYTES, Members
from ttscale.bank.logs.sample import LoggedSample
from ttscale.bank.logs.usage import Tokens, estimated, tokens_of
from ttscale.bank.logs.words import message_text, written_by_model
from ttscale.errors import ConfigError, DataError
from ttscale.types import FinishReason

VERSION: Final = 2
"""Of the logs that are read."""
_HEADER: Final = "header.json"
_START: Final = "_journal/start.json"
_SAMPLES: Final = "samples/"
_ATTACHED: Final = "attachment://"
_CUT_SHORT: Final = ("max_tokens", "model_length", "length")


@dataclass(frozen=True, slots=True)
class InspectHeader:
    """What the samples of a log have in common."""

    model: str
    task: str
    status: str
    """``"success"``, or why it is not finished."""
    order: Mapping[str, int]
    """Place of each problem in the data set, where that is said."""
    num_expected: int | None
    """Samples that a finished log has."""
    place: str

    @classmethod
    def read(cls, document: Fields) -> InspectHeader:
        """Read a header.

        Raises:
            DataError: it is of another version, or damaged.
        """
        version = document.values.get("version")
        if version != VERSION or isinstance(version, bool):
            raise DataError(
                f"{document.place}: the Inspect log has version {version!r}, and version {VERSION} is read; "
                f"have an Inspect that reads it write it anew, with `inspect log convert`."
            )
        spec = document.inner("eval")
        ids = list(map(str, spec.inner("dataset").items("sample_ids")))
        return cls(
            model=spec.name("model"),
            task=spec.name("task"),
            status=document.text("status") or "started",
            order={problem: place for place, problem in enumerate(ids)},
            num_expected=len(ids) * (spec.inner("config").whole("epochs") or 1) if ids else None,
            place=document.place,
        )


def read_zip(
    path: Path, *, scorer: str | None = None, max_bytes: int = MAX_MEMBER_BYTES
) -> tuple[InspectHeader, Iterator[LoggedSample]]:
    """Return the header of an ``.eval`` log, and its samples as they are read, by problem and epoch.

    Args:
        path: the log.
        scorer: whose answers and scores count; ``None``: the first's.
        max_bytes: what a member may unpack to.

    Raises:
        DataError: it is no such log, of another version, or damaged; the member is named.
        MissingExtra: it is packed with zstandard, and pyarrow is not installed.
        ConfigError: there is no such scorer.
    """
    with Members(path, max_bytes=max_bytes) as members:
        name = next((name for name in (_HEADER, _START) if name in members.names), None)
        if name is None:
            some = ", ".join(map(repr, members.names[:5])) or "nothing"
            raise DataError(
                f"{str(path)!r} is a zip file but no Inspect log: it holds {some}, and neither {_HEADER!r} nor "
                f"{_START!r}."
            )
        header = InspectHeader.read(_document(members, name))
    return header, _zip_samples(path, header, scorer, max_bytes)


def _zip_samples(
    path: Path, header: InspectHeader, scorer: str | None, max_bytes: int
) -> Iterator[LoggedSample]:
    with Members(path, max_bytes=max_bytes) as members:
        names = [name for name in members.names if name.startswith(_SAMPLES) and name.endswith(".json")]
        for name in sorted(names, key=lambda name: _rank(name, header.order)):
            yield _read_sample(_document(members, name), header, scorer)


def _document(members: Members, name: str) -> Fields:
    place = members.place(name)
    return Fields.of(load_json(members.read(name), place), place)


def read_document(
    document: Fields, *, scorer: str | None = None
) -> tuple[InspectHeader, Iterator[LoggedSample]]:
    """Return the header of a log that is one JSON document, and its samples.

    Args:
        document: the log.
        scorer: as for `read_zip`.

    Raises:
        DataError: it is of another version, or damaged.
        ConfigError: there is no such scorer.
    """
    header = InspectHeader.read(document)
    samples = [
        Fields.of(item, f"sample {number} of {document.place}")
        for number, item in enumerate(document.items("samples"), start=1)
    ]
    return header, (_read_sample(sample, header, scorer) for sample in samples)


def _rank(name: str, order: Mapping[str, int]) -> tuple[int, int, str, int]:
    """Return where a member comes: by the data set's order, else by number or name, then by epoch."""
    problem, _, epoch = name.removeprefix(_SAMPLES).removesuffix(".json").rpartition("_epoch_")
    number = int(problem) if problem.isascii() and problem.isdigit() and len(problem) < 18 else len(order)
    return (
        order.get(problem, len(order)),
        number,
        problem,
        int(epoch) if epoch.isascii() and epoch.isdigit() and len(epoch) < 18 else 0,
    )


# ── one sample ────────────────────────────────────────────────────────────────────────────────────────────


def _read_sample(sample: Fields, header: InspectHeader, scorer: str | None) -> LoggedSample:
    attached = _Attached(sample)
    output = sample.inner("output")
    text = written_by_model(sample.objects("messages"), attached.find)
    choices = output.objects("choices")
    if text is None and choices:
        text = message_text(choices[0].inner("message"), attached.find)
    error = _error(sample)
    scores, answer = _verdict(sample, scorer)
    tokens = _tokens(sample, output, header.model)
    targets = _targets(sample)
    return LoggedSample(
        place=sample.place,
        model=header.model,
        benchmark=header.task,
        problem=sample.name("id"),
        number=_epoch(sample),
        question=_question(sample, attached),
        target=attached.find(targets[0]) if len(targets) == 1 and targets[0] else None,
        text=text,
        answer=answer or None,
        scores=scores,
        finish_reason="error" if error else _finish_reason(sample, choices),
        error=error,
        usage=tokens.usage if tokens else estimated(text),
        are_tokens_estimated=tokens is None and bool(text),
        reasoning_tokens=tokens.reasoning if tokens else None,
        total_seconds=sample.number("total_time"),
        working_seconds=sample.number("working_time"),
        usd=tokens.usd if tokens else None,
    )


class _Attached:
    """The long texts of a sample, which are kept in one place."""

    def __init__(self, sample: Fields) -> None:
        self._texts = sample.inner("attachments")

    def find(self, text: str) -> str:
        """Return the text that a reference means; any other text as it is."""
        if not text.startswith(_ATTACHED):
            return text
        return self._texts.text(text.removeprefix(_ATTACHED)) or text


def _epoch(sample: Fields) -> int:
    epoch = sample.whole("epoch")
    if epoch is None:
        raise sample.wrong("epoch", "a whole number")
    return epoch


def _question(sample: Fields, attached: _Attached) -> str | None:
    """Return what a sample asks, with the choices it offers."""
    asked = sample.values.get("input")
    if isinstance(asked, list):
        told = [(one.text("role"), message_text(one, attached.find)) for one in sample.objects("input")]
        question = told[0][1] if len(told) == 1 else "\n\n".join(f"{role}: {text}" for role, text in told)
    else:
        question = attached.find(sample.text("input") or "")
    choices = [f"{chr(ord('A') + place)}) {choice}" for place, choice in enumerate(sample.items("choices"))]
    return "\n\n".join(filter(None, (question, "\n".join(choices)))) or None


def _targets(sample: Fields) -> Sequence[str]:
    target = sample.values.get("target")
    if isinstance(target, list):
        return [str(one) for one in cast("list[object]", target)]
    return [sample.text("target") or ""]


def _error(sample: Fields) -> str | None:
    error = sample.values.get("error")
    if error is None:
        return None
    message = error if isinstance(error, str) else sample.inner("error").text("message")
    return message or "the log does not say why"


def _finish_reason(sample: Fields, choices: Sequence[Fields]) -> FinishReason:
    """Return why a sample ended: whichever limit it ran into, it is as long as it was allowed to be."""
    limit = sample.values.get("limit")
    if limit is not None:
        kind = limit if isinstance(limit, str) else sample.inner("limit").text("type")
        return "abort" if kind == "operator" else "length"
    return "length" if choices and choices[0].values.get("stop_reason") in _CUT_SHORT else "stop"


def _tokens(sample: Fields, output: Fields, model: str) -> Tokens | None:
    """Return what the evaluated model spent on a sample; ``None``: nobody says.

    Other models, graders say, are left out, unless they are the same one.
    """
    used = sample.inner("model_usage")
    if model in used:
        return tokens_of(used.inner(model), model)
    return tokens_of(output.inner("usage"), model)


def _verdict(sample: Fields, scorer: str | None) -> tuple[dict[str, float | None], str | None]:
    """Return all scores, the chosen scorer's first, and the answer that it took."""
    scores = {name: sample.inner("scores").inner(name) for name in sample.inner("scores").values}
    if "score" in sample and not scores:
        scores = {"score": sample.inner("score")}  # as it was once called
    if not scores:
        return {}, None
    chosen = next(iter(scores)) if scorer is None else scorer
    if chosen not in scores:
        names = ", ".join(map(repr, scores))
        raise ConfigError(f"{sample.place} has no scorer {chosen!r}; it has: {names}. Name one of these.")
    ordered = {chosen: scores[chosen], **scores}
    found = dict[str, float | None]()
    for name, score in ordered.items():
        value = score.values.get("value")
        if isinstance(value, dict):
            found |= {f"{name}/{key}": grade_of(one) for key, one in cast("dict[str, object]", value).items()}
        else:
            found[name] = grade_of(value)
    return found, scores[chosen].text("answer")
