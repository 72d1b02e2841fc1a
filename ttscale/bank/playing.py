"""Playing recorded samples: chunks on the event loop's clock, at the times at which they came when recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from ttscale.backends.base import Chunk, Generation, Request
from ttscale.bank.take import Take
from ttscale.types import FinishReason, SampleUsage


@dataclass(slots=True, eq=False, kw_only=True)
class Play:
    """One sample that is being played."""

    index: int
    """Within the request."""
    request: Request
    generation: Generation
    take: Take
    prompt: SampleUsage
    """What its prompt costs it."""
    is_reused: bool = False
    """Whether an engine would have drawn it, had it not been recorded; see `SampleUsage.reused`."""
    started: float = 0.0
    streams: bool = False
    num_sent: int = 0
    text_sent: str = ""
    reached: float = 0.0
    """Seconds since its start that have certainly passed, however the clock rounds."""
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)


class Player:
    """Plays samples, each in the time it took, whatever else runs. It only sets timers."""

    def __init__(self) -> None:
        """Begin with nothing to play."""
        self._playing = dict[Play, None]()

    @property
    def is_playing(self) -> bool:
        """Whether a sample has not ended."""
        return bool(self._playing)

    def start(self, plays: Sequence[Play], *, streams: bool) -> None:
        """Start samples, all at once.

        Args:
            plays: each is played once.
            streams: whether tokens come one by one; else all of a sample with its end.
        """
        now = asyncio.get_running_loop().time()
        self._playing.update(dict.fromkeys(plays))
        for play in plays:
            play.started, play.streams = now, streams
            self._set_timer(play)

    def abort(self, plays: Sequence[Play], indices: Sequence[int]) -> None:
        """Stop those of the samples that have these indices; they keep the tokens that they had by now."""
        for play in plays:
            if play.index in indices:
                self._end(play, self._reached_tokens(play), "abort")

    def stop(self) -> None:
        """Abort everything."""
        for generation in {play.generation: None for play in self._playing}:
            generation.abort()

    def _set_timer(self, play: Play) -> None:
        """Wake up at the sample's next token if it streams, else at its end."""
        due, taken = play.take.seconds, play.take
        ends_with_token = taken.finish_reason in ("stop", "length")
        if play.streams and play.num_sent < taken.num_tokens - ends_with_token:
            due = min(due, taken.pace.seconds_at(play.num_sent + 1))
        play.timer = asyncio.get_running_loop().call_at(play.started + due, self._wake, play, due)

    def _wake(self, play: Play, due: float) -> None:
        play.reached = due
        if due >= play.take.seconds:
            self._end(play, play.take.num_tokens, play.take.finish_reason)
            return
        count = self._reached_tokens(play)
        if count > play.num_sent:
            play.generation.push(self._chunk(play, count))
        self._set_timer(play)

    def _reached_tokens(self, play: Play) -> int:
        elapsed = max(play.reached, asyncio.get_running_loop().time() - play.started)
        return play.take.pace.tokens_at(elapsed, play.take.num_tokens)

    def _end(self, play: Play, num_tokens: int, reason: FinishReason) -> None:
        if play.timer is not None:
            play.timer.cancel()
        self._playing.pop(play, None)
        play.generation.push(self._chunk(play, max(num_tokens, play.num_sent), reason))

    def _chunk(self, play: Play, num_tokens: int, reason: FinishReason | None = None) -> Chunk:
        """Return what is new of a sample up to so many tokens."""
        taken, start, asked = play.take, play.num_sent, play.request.sampling.logprobs
        text = taken.text_after(num_tokens)
        new_text = text[len(play.text_sent) :]
        play.num_sent, play.text_sent = num_tokens, text
        return Chunk(
            index=play.index,
            token_ids=taken.token_ids(start, num_tokens),
            text=new_text,
            logprobs=taken.logprobs(start, num_tokens, asked),
            top_logprobs=taken.top_logprobs(start, num_tokens, asked),
            finish_reason=reason,
            usage=None if reason is None else _usage(play, num_tokens),
            error=taken.error if reason == "error" else None,
        )


def _usage(play: Play, num_tokens: int) -> SampleUsage:
    computed = play.prompt.prompt_computed
    return SampleUsage(
        prompt_computed=computed,
        prompt_cached=play.prompt.prompt_cached,
        generated=num_tokens,
        reused=computed + num_tokens if play.is_reused else 0,
    )
