"""What becomes of one scripted sample under given limits and stops: a pure function of reply and sampling."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ttscale.testing.characters import SILENT, decode
from ttscale.testing.script import Reply, token_logprobs, top_logprobs
from ttscale.types import FinishReason, Sampling
from ttscale.virtual import Pace

_ALTERNATIVES: Final = tuple(map(ord, "0123456789abcdefghijklmnopqrstuvwxyz"))

MAX_TOP_LOGPROBS: Final = len(_ALTERNATIVES) - 1


def pace_of(reply: Reply, *, first_token_seconds: float, seconds_per_token: float) -> Pace:
    """Return a reply's own pace where it has one, else the engine's."""
    if reply.seconds is None:
        return Pace(first=first_token_seconds, per_token=seconds_per_token)
    if reply.length == 0:
        return Pace(first=reply.seconds, per_token=0.0)
    return Pace(first=0.0, per_token=reply.seconds / reply.length)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A sample from its first token to its end."""

    token_ids: tuple[int, ...]
    text: str
    """Of all tokens, a stop string or stop token left out."""
    logprobs: tuple[float, ...]
    """Empty where the sampling does not ask for them."""
    pace: Pace
    finish_reason: FinishReason
    error: str | None
    stop: tuple[str, ...]
    scripted_top: Sequence[Mapping[str, float]] | None = None
    """See `Reply.top_logprobs`."""

    def text_after(self, num_tokens: int, *, certain: bool = False) -> str:
        """Return the text of the first tokens.

        Args:
            num_tokens: how many.
            certain: leave out what may turn out to begin a stop string.
        """
        if num_tokens == len(self.token_ids):
            return self.text
        text = decode(self.token_ids[:num_tokens])
        return text[: len(text) - _held_back(text, self.stop)] if certain else text

    def top(self, start: int, end: int, num_top: int) -> tuple[Mapping[int, float], ...]:
        """Return the most likely tokens at each position from `start` to before `end`."""
        if self.scripted_top is not None:
            return tuple(
                {ord(token): value for token, value in list(scripted.items())[:num_top]}
                for scripted in self.scripted_top[start:end]
            )
        chosen = zip(self.token_ids[start:end], self.logprobs[start:end], strict=True)
        return tuple(top_logprobs(token, value, num_top, _ALTERNATIVES) for token, value in chosen)


@dataclass(frozen=True, slots=True, order=True)
class _End:
    """A way for a sample to end; the least of all is what happens."""

    num_tokens: int
    rank: int
    """Decides between ends at the same token."""
    num_characters: int
    """Of the text."""
    reason: FinishReason


def plan(reply: Reply, sampling: Sampling, *, most: int, pace: Pace, seed: int) -> Plan:
    """Return what becomes of a reply.

    Args:
        reply: what the script says.
        sampling: its limits and stops.
        most: tokens the context leaves, >= 1.
        pace: its speed.
        seed: of the sample.
    """
    num_silent = reply.length - len(reply.text)
    ids = (SILENT,) * num_silent + tuple(map(ord, reply.text))
    limit = min(most, sampling.max_tokens or most)
    ends = [
        *_stops(ids, reply.text, sampling),
        _End(len(ids), 2, len(reply.text), reply.finish_reason),
        _End(limit, 3, max(0, limit - num_silent), "length"),
    ]
    if reply.error is not None:
        failing = len(ids) if reply.fail_after is None else min(reply.fail_after, len(ids))
        ends.append(_End(failing, 1, max(0, failing - num_silent), "error"))
    end = min(ends)
    logprobs = () if sampling.logprobs is None else token_logprobs(reply, seed)[: end.num_tokens]
    return Plan(
        token_ids=ids[: end.num_tokens],
        text=reply.text[: end.num_characters],
        logprobs=tuple(logprobs),
        pace=pace,
        finish_reason=end.reason,
        error=reply.error if end.reason == "error" else None,
        stop=sampling.stop,
        scripted_top=reply.top_logprobs,
    )


def _stops(ids: Sequence[int], text: str, sampling: Sampling) -> Iterator[_End]:
    """Yield where stop strings and stop tokens would end a sample."""
    num_silent = len(ids) - len(text)
    for stop in sampling.stop:
        start = text.find(stop)
        if start >= 0:
            yield _End(num_silent + start + len(stop), 0, start, "stop")
    for at, token_id in enumerate(ids):
        if token_id in sampling.stop_token_ids:
            yield _End(at + 1, 0, max(0, at - num_silent), "stop")
            return


def _held_back(text: str, stops: Sequence[str]) -> int:
    """Return the length of the longest end of a text that begins a stop string."""
    lengths = (n for stop in stops for n in range(1, len(stop)) if text.endswith(stop[:n]))
    return max(lengths, default=0)
