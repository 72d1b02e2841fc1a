"""How a sample lies in a bank's table: one row, texts as escaped JSON, tokens as blobs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final, cast

from ttscale.bank.packing import (
    PackedTop,
    pack_ids,
    pack_top,
    pack_values,
    unpack_ids,
    unpack_top,
    unpack_values,
)
from ttscale.bank.sample import RecordedSample, SampleHead, Settings
from ttscale.types import SampleUsage

HEAD: Final = (
    "draw, num_logprobs, seed, max_tokens, finish_reason, error, prompt_computed, prompt_cached, generated, "
    "seconds, first_token_seconds"
)
"""The columns that `read_head` reads."""
BODY: Final = "text, prediction, token_ids, logprobs, top_sizes, top_ids, top_values, grades"
"""The columns that `read_body` reads. A row is a series' key, these of the head, then these."""
BODY_WITHOUT_GRADES: Final = BODY.replace("grades", "NULL")
"""The same of a bank whose layout has no grades."""


def sample_row(key: str, draw: int, sample: RecordedSample) -> tuple[object, ...]:
    """Return a sample of a series as a row, under another number than its own if need be."""
    head, top = sample.head, None if sample.top_logprobs is None else pack_top(sample.top_logprobs)
    usage = head.usage
    return (
        *(key, draw, head.num_logprobs, head.seed, head.max_tokens, head.finish_reason),
        *(dump_text(head.error), usage.prompt_computed, usage.prompt_cached, usage.generated),
        *(head.seconds, head.first_token_seconds, dump_text(sample.text), dump_text(sample.prediction)),
        pack_ids(sample.token_ids) if sample.token_ids else None,
        None if sample.logprobs is None else pack_values(sample.logprobs),
        *((None, None, None) if top is None else (top.sizes, top.ids, top.values)),
        json.dumps(dict(sample.grades)) if sample.grades else None,
    )


def read_head(row: Iterable[object]) -> SampleHead:
    """Read the columns `HEAD`."""
    draw, num_logprobs, seed, limit, reason, error, computed, cached, generated, seconds, first = row
    return SampleHead(
        draw=cast("int", draw),
        num_logprobs=cast("int", num_logprobs),
        seed=cast("int | None", seed),
        max_tokens=cast("int | None", limit),
        finish_reason=reason,  # type: ignore[arg-type]  # only its values are ever written
        error=load_text(cast("str | None", error)),
        usage=SampleUsage(
            prompt_computed=cast("int", computed),
            prompt_cached=cast("int", cached),
            generated=cast("int", generated),
        ),
        seconds=cast("float | None", seconds),
        first_token_seconds=cast("float | None", first),
    )


def read_body(head: SampleHead, row: Sequence[object]) -> RecordedSample:
    """Read the columns `BODY` of the sample with this head.

    Raises:
        ValueError: its data are damaged.
    """
    text, prediction, ids, logprobs, sizes, top_ids, top_values, grades = cast(
        "tuple[str | None, str | None, bytes | None, bytes | None, bytes | None, bytes, bytes, str | None]",
        tuple(row),
    )
    return RecordedSample(
        head=head,
        text=load_text(text),
        prediction=load_text(prediction),
        token_ids=() if ids is None else unpack_ids(ids),
        logprobs=None if logprobs is None else unpack_values(logprobs),
        top_logprobs=None if sizes is None else unpack_top(PackedTop(sizes, top_ids, top_values)),
        grades=load_grades(grades),
    )


def load_settings(text: str | None) -> Settings | None:
    """Read what was written of `Settings.to_json`."""
    if text is None:
        return None
    document = cast("dict[str, list[object]]", json.loads(text))
    lists = {name: tuple(document.pop(name)) for name in ("stop", "stop_token_ids")}
    return Settings(**document, **lists)  # type: ignore[arg-type]  # as `Settings.to_json` wrote it


def load_grades(written: str | None) -> dict[str, float | None]:
    """Read what a row has of `RecordedSample.grades`."""
    return {} if written is None else cast("dict[str, float | None]", json.loads(written))


def dump_text(text: str | None) -> str | None:
    """Return text as SQLite can hold it: a sample may end within a surrogate pair, which is no UTF-8."""
    return None if text is None else json.dumps(text)


def load_text(written: str | None) -> str | None:
    """Read what `dump_text` wrote."""
    return None if written is None else cast("str", json.loads(written))
