"""Drawing one stretch of a sequence: up to a lexeme, an end token, a limit, or until others are done."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from ttscale.run import Run
from ttscale.run.appended import without_end
from ttscale.types import Sample, Sampling
from ttscale_strategies.threads.line import Chunk, Line, single_tokens
from ttscale_strategies.threads.rules import Ended, Finish

OnText = Callable[[str, int, float], None]
"""Told what a stretch has so far: its text, its tokens, and the seconds that it took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """What the model wrote in one go."""

    text: str
    """Without the lexeme that ended it."""
    stop: str | None
    """That lexeme; ``None``: none did."""
    ended: Ended
    num_tokens: int
    """Generated, its end included; of one that was cut to a cap those that are left."""
    num_content: int
    """Those of its text."""
    chunks: tuple[Chunk, ...]
    """Of the text and the lexeme."""
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a stretch is drawn."""

    stops: Sequence[str]
    limit: int | None
    """Most tokens, >= 1; ``None``: what the context leaves."""
    temperature: float | None
    finish: Finish = field(default_factory=lambda: Finish(None))
    """Of the branches of one fork, of which this is one."""
    on_text: OnText | None = None
    guess_stop: Callable[[str], str | None] = lambda _: None
    """Which lexeme ended a text, where the engine shows no tokens; it cuts lexemes off without a word."""


async def draw(run: Run, line: Line, wanted: Wanted) -> Stretch:
    """Draw one stretch.

    Raises:
        BudgetExhausted: it does not fit the budget.
    """
    tokens = single_tokens(run, wanted.stops) if line.is_exact else {}
    sampling = Sampling(
        max_tokens=wanted.limit,
        temperature=wanted.temperature,
        stop=tuple(wanted.stops),
        stop_token_ids=tuple(tokens),
    )
    if (wanted.finish.is_race or wanted.on_text is not None) and run.capabilities.stream:
        found = await _streamed(run, line, sampling, wanted)
        if isinstance(found, Stretch):
            return found
        sample = found
    else:
        async with run.sample(line.prompt(run), sampling=sampling) as samples:
            sample = await anext(samples)
    stretch = _read(run, line, sample, wanted, tokens)
    if sample.finish_reason in ("stop", "length"):
        wanted.finish.end(stretch.num_content)
    return stretch


async def _streamed(run: Run, line: Line, sampling: Sampling, wanted: Wanted) -> Sample | Stretch:
    """Draw token by token; return the sample, or as much of it as there was when others were done."""
    text, ids, num_pieces = "", list[int](), 0
    path, began = (run.critical_path_tokens, run.critical_path_seconds), run.now()
    async with run.stream(line.prompt(run), sampling=sampling) as pieces:
        async for piece in pieces:
            text, num_pieces = text + piece.text, num_pieces + 1
            ids += piece.token_ids
            num_tokens = len(ids) or num_pieces
            cap = wanted.finish.cap
            if cap is not None and num_tokens >= cap and pieces.sample is None:
                written = (run.decode(ids[:cap]), run.decode(ids)) if line.is_exact else (text, text)
                if not _may_have_ended(*written, wanted.stops):
                    break
            if wanted.on_text is not None:
                wanted.on_text(text, num_tokens, run.now() - began)
        else:
            assert pieces.sample is not None
            return pieces.sample
    run.advance(path[0] + num_tokens, path[1] + run.now() - began)  # nobody else counts what was cut off
    text = run.decode(ids) if line.is_exact else text
    return Stretch(
        text=text,
        stop=None,
        ended="capped",
        num_tokens=num_tokens,
        num_content=num_tokens,
        chunks=(Chunk(text, tuple(ids) if line.is_exact else ()),),
    )


def _may_have_ended(kept: str, text: str, stops: Sequence[str]) -> bool:
    """Whether a lexeme that is not complete yet may have begun within the beginning that would be kept."""
    return any(
        stop.startswith(text[at:])
        for stop in stops
        for at in range(max(0, len(text) - len(stop) + 1), len(kept))
    )


def cut_to(run: Run, line: Line, stretch: Stretch, cap: int | None) -> Stretch:
    """Return a stretch cut to so many tokens of text; ``None``, or one that is no longer: as it is."""
    if cap is None or stretch.num_content <= cap or not line.is_exact:
        return stretch
    ids = tuple(token_id for chunk in stretch.chunks for token_id in chunk.token_ids)[:cap]
    text = run.decode(ids)
    return Stretch(
        text=text, stop=None, ended="capped", num_tokens=cap, num_content=cap, chunks=(Chunk(text, ids),)
    )


def _read(run: Run, line: Line, sample: Sample, wanted: Wanted, tokens: Mapping[int, str]) -> Stretch:
    """Return a sample as a stretch, with the lexeme that ended it."""
    reason = sample.finish_reason
    has_end = reason == "stop"
    stop = None
    if has_end:
        stop = _stop_of(run, sample, wanted, tokens) if line.is_exact else wanted.guess_stop(sample.text)
    ended: Ended = "end" if has_end else "length" if reason == "length" else "error"
    chunks = [Chunk(sample.text)]
    own, rest = sample.token_ids, ""
    if line.is_exact:
        own, rest = without_end(sample, run.decode)
        chunks = [Chunk(sample.text[: len(sample.text) - len(rest)], own)]
        tail = sample.token_ids[len(own) :]
        if rest or (stop and run.decode(tail) != stop and not (len(tail) == 1 and tail[0] in tokens)):
            put = line.put(run, rest, stop or "")
            chunks += put.since(line)
        elif stop:
            chunks.append(Chunk(stop, tail))
    elif stop:
        chunks.append(Chunk(stop))
    return Stretch(
        text=sample.text,
        stop=stop,
        ended="closed" if stop is not None else ended,
        num_tokens=sample.num_tokens,
        num_content=len(own) if line.is_exact else sample.num_tokens,
        chunks=tuple(chunks),
        error=sample.error,
    )


def _stop_of(run: Run, sample: Sample, wanted: Wanted, tokens: Mapping[int, str]) -> str | None:
    """Return which lexeme ended a sample, by its tokens: it is cut off the text, not off them."""
    if sample.token_ids and sample.token_ids[-1] in tokens:
        return tokens[sample.token_ids[-1]]
    whole = run.decode(sample.token_ids)
    at = len(whole) - len(whole.lstrip(" ")) + len(sample.text.lstrip(" "))
    found = (stop for stop in sorted(wanted.stops, key=len, reverse=True) if whole.startswith(stop, at))
    return next(found, None)
