"""The form in which samples are exported: one flat row each, with everything but what all have in common."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NotRequired

from typing_extensions import TypedDict

from ttscale.bank.sample import (
    NO_LOGPROBS,
    RecordedSample,
    SampleHead,
    Series,
    Settings,
    prompt_from_json,
    prompt_json,
)
from ttscale.errors import DataError
from ttscale.types import JSON, FinishReason, Prompt, SampleUsage

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_INT64: Final = 2**63


class Row(TypedDict):
    """One sample, self-contained but for its model."""

    model: str
    """The model's fingerprint."""
    prompt: dict[str, Any]
    settings: dict[str, Any] | None
    draw: int
    num_logprobs: int | None
    seed: int | None
    max_tokens: int | None
    finish_reason: FinishReason
    error: str | None
    prompt_computed: int
    prompt_cached: int
    generated: int
    seconds: float | None
    first_token_seconds: float | None
    text: str | None
    prediction: str | None
    token_ids: list[int]
    logprobs: list[float] | None
    top_ids: list[list[int]] | None
    """Of the most likely tokens at each position."""
    top_logprobs: list[list[float]] | None
    grades: NotRequired[dict[str, float | None] | None]
    """As in `RecordedSample`; version 1 had none."""


def to_row(series: Series, sample: RecordedSample) -> Row:
    """Return a sample as a row."""
    head, top = sample.head, sample.top_logprobs
    return Row(
        model=series.model,
        prompt=prompt_json(series.prompt),
        settings=None if series.settings is None else series.settings.to_json(),
        draw=head.draw,
        num_logprobs=None if head.num_logprobs == NO_LOGPROBS else head.num_logprobs,
        seed=head.seed,
        max_tokens=head.max_tokens,
        finish_reason=head.finish_reason,
        error=head.error,
        prompt_computed=head.usage.prompt_computed,
        prompt_cached=head.usage.prompt_cached,
        generated=head.usage.generated,
        seconds=head.seconds,
        first_token_seconds=head.first_token_seconds,
        text=sample.text,
        prediction=sample.prediction,
        token_ids=list(sample.token_ids),
        logprobs=None if sample.logprobs is None else list(sample.logprobs),
        top_ids=None if top is None else [list(position) for position in top],
        top_logprobs=None if top is None else [list(position.values()) for position in top],
        grades=dict(sample.grades) or None,
    )


def from_row(fields: Mapping[str, object], place: str) -> tuple[str, Prompt, Settings | None, RecordedSample]:
    """Read a row: the model's fingerprint, the prompt, the settings and the sample.

    Args:
        fields: the row.
        place: where it stands, for messages.

    Raises:
        DataError: it is not such a row, or its parts do not belong together.
    """
    from pydantic import ValidationError

    try:
        row = _row_reader().validate_python(fields)
        prompt, settings = prompt_from_json(row["prompt"]), _settings(row["settings"])
        sample = _sample(row)
        _check(sample)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise DataError(f"{place}: {field}: {first['msg']}; mend the row or take it out.") from error
    except ValueError as error:
        raise DataError(f"{place}: {error}; mend the row or take it out.") from error
    return row["model"], prompt, settings, sample


@cache
def _row_reader() -> TypeAdapter[Row]:
    from pydantic import ConfigDict, TypeAdapter, with_config

    return TypeAdapter(with_config(ConfigDict(strict=True, extra="forbid"))(Row))


@cache
def _settings_reader() -> TypeAdapter[Settings]:
    from pydantic import TypeAdapter

    return TypeAdapter(Settings)


def _settings(document: Mapping[str, JSON] | None) -> Settings | None:
    return None if document is None else _settings_reader().validate_python(document)


def _sample(row: Row) -> RecordedSample:
    asked, ids, top_values = row["num_logprobs"], row["top_ids"], row["top_logprobs"]
    head = SampleHead(
        draw=row["draw"],
        num_logprobs=NO_LOGPROBS if asked is None else asked,
        seed=row["seed"],
        max_tokens=row["max_tokens"],
        finish_reason=row["finish_reason"],
        error=row["error"],
        usage=SampleUsage(
            prompt_computed=row["prompt_computed"],
            prompt_cached=row["prompt_cached"],
            generated=row["generated"],
        ),
        seconds=row["seconds"],
        first_token_seconds=row["first_token_seconds"],
    )
    if (ids is None) != (top_values is None):
        raise ValueError("top_ids and top_logprobs must be there both or neither")
    return RecordedSample(
        head=head,
        text=row["text"],
        prediction=row["prediction"],
        token_ids=tuple(row["token_ids"]),
        logprobs=None if row["logprobs"] is None else tuple(row["logprobs"]),
        top_logprobs=None
        if ids is None or top_values is None
        else tuple(_position(*pair) for pair in zip(ids, top_values, strict=True)),
        grades=row.get("grades") or {},
    )


def _position(ids: list[int], values: list[float]) -> Mapping[int, float]:
    return dict(zip(ids, values, strict=True))


def _check(sample: RecordedSample) -> None:
    """Raise a ValueError if parts of a sample do not belong together."""
    head, length = sample.head, sample.head.usage.generated
    usage = head.usage
    for number in (usage.prompt_computed, usage.prompt_cached, length):
        _require(0 <= number < _INT64, f"{number} is no number of tokens")
    for number in (head.draw, head.seed or 0, *sample.token_ids):
        _require(0 <= number < _INT64, f"{number} is not in [0, 2**63)")
    for seconds in (head.seconds or 0.0, head.first_token_seconds or 0.0):
        _require(math.isfinite(seconds) and seconds >= 0, f"{seconds!r} is no number of seconds")
    failed = head.finish_reason == "error"
    _require(failed == bool(head.error), f"finish_reason {head.finish_reason!r} with error {head.error!r}")
    if sample.token_ids and not failed:
        _require(len(sample.token_ids) == length, f"{len(sample.token_ids)} token_ids, but generated={length}")
    for name, values in (("logprobs", sample.logprobs), ("top_logprobs", sample.top_logprobs)):
        if values is not None and sample.token_ids:
            _require(len(values) == len(sample.token_ids), f"{len(values)} {name} of {length} tokens")
    _require(not any(map(math.isnan, sample.logprobs or ())), "a log-probability is not a number")
    given = [grade for grade in sample.grades.values() if grade is not None]
    _require(all(map(math.isfinite, given)), "a grade is not a number")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
