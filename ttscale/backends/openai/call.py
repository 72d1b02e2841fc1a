"""One HTTP request in flight and the samples that grow from it, with the account of each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ttscale.backends.base import Chunk, Generation
from ttscale.backends.openai.replies import Delta, Reply, ServerUsage, finish_reason
from ttscale.backends.openai.shares import split_tokens
from ttscale.types import FinishReason, SampleUsage


@dataclass(slots=True, eq=False, kw_only=True)
class Draft:
    """A sample as it grows."""

    index: int
    """Within the generation."""
    seed: int
    texts: list[str] = field(default_factory=list[str])
    token_ids: list[int] = field(default_factory=list[int])
    logprobs: list[float] = field(default_factory=list[float])
    top_logprobs: list[Mapping[int, float]] = field(default_factory=list[Mapping[int, float]])
    num_token_ids: int = 0
    num_logprobs: int = 0
    num_pieces: int = 0
    """Events in which the model wrote something."""
    num_characters: int = 0
    num_unseen: int = 0
    """Its tokens at most, where it was stopped and nobody could see how far it had come."""
    has_begun: bool = False
    """Whether the server has sent anything of it."""
    ended: tuple[FinishReason, str | None] | None = None
    """Why it stopped, with an error message; it may still wait for its account."""
    is_settled: bool = False
    """Whether its last chunk has been delivered."""

    @property
    def num_exact(self) -> int | None:
        """Its tokens, where the server lets us count them."""
        return self.num_token_ids or self.num_logprobs or None

    @property
    def num_known(self) -> int:
        """Its tokens, exactly or as a lower bound, for every event carries at least one; unseen, at most."""
        return self.num_exact or self.num_pieces or self.num_unseen

    def add(self, delta: Delta) -> None:
        """Take in what an event brings; what has been settled is only counted."""
        self.num_token_ids += len(delta.token_ids)
        self.num_logprobs += len(delta.logprobs or ())
        self.num_pieces += delta.is_output
        self.num_characters += len(delta.text)
        self.has_begun = self.has_begun or delta.is_output or delta.finish is not None
        if delta.finish is not None:
            self.ended = finish_reason(delta.finish)
        if not self.is_settled:
            self.texts.append(delta.text)
            self.token_ids.extend(delta.token_ids)
            self.logprobs.extend(delta.logprobs or ())
            self.top_logprobs.extend(delta.top_logprobs or ())

    def take(
        self, reason: FinishReason | None = None, usage: SampleUsage | None = None, error: str | None = None
    ) -> Chunk:
        """Return everything that has not been delivered as a chunk, and forget it."""
        chunk = Chunk(
            index=self.index,
            token_ids=tuple(self.token_ids),
            text="".join(self.texts),
            logprobs=tuple(self.logprobs) or None,
            top_logprobs=tuple(self.top_logprobs) or None,
            finish_reason=reason,
            usage=usage,
            error=error,
        )
        for part in (self.texts, self.token_ids, self.logprobs, self.top_logprobs):
            part.clear()
        return chunk


class Call:
    """Follows the answer to one request of one or more samples and settles each of them exactly once.

    A sample's tokens are counted by the ids or log-probabilities that arrived, and where the server sends
    neither by the events, a lower bound. Samples that end while others still run are delivered at once by that
    count. Those that end last share what is left of the server's bill, so the bill is charged in full: by their
    own counts, or in proportion to their texts. The first of them carries the prompt. What a server goes on
    writing for a sample that was stopped, because others of the request still run, is on the same bill; where
    the request ends without a bill, what has arrived takes its place, and `num_prompt_tokens` the prompt's; the
    most that it may have used, where the answer would have come in one piece and was not waited for.
    """

    task: asyncio.Task[None] | None = None
    """Runs the request; cancelled when no sample is wanted any more."""

    def __init__(
        self,
        generation: Generation,
        drafts: Sequence[Draft],
        *,
        stream: bool,
        num_prompt_tokens: int,
        num_unseen_tokens: int = 0,
    ) -> None:
        """Make the call of a request that is about to be sent.

        Args:
            generation: takes the chunks.
            drafts: one for each choice of the answer, in order.
            stream: whether chunks are wanted as tokens arrive.
            num_prompt_tokens: length of the prompt, charged where the server's bill does not come.
            num_unseen_tokens: the most a sample may use before anything of it arrives; 0 where it streams.
        """
        self._generation = generation
        self._drafts = list(drafts)
        self._stream = stream
        self._num_prompt_tokens = num_prompt_tokens
        self._num_unseen_tokens = num_unseen_tokens
        self.usage: ServerUsage | None = None
        """The server's bill for the whole request, once it is there."""
        self._num_charged = 0
        self._is_prompt_charged = False
        self._is_sent = False
        self._is_answered = False

    @property
    def num_samples(self) -> int:
        """How many samples it is to bring."""
        return len(self._drafts)

    @property
    def num_begun(self) -> int:
        """Of how many samples something has arrived."""
        return sum(draft.has_begun for draft in self._drafts)

    def note_sent(self) -> None:
        """Remember that the server has been asked: from now on the request may cost something."""
        self._is_sent = True

    def take(self, reply: Reply) -> None:
        """Take in one event of the answer and deliver what it completes."""
        self._is_answered = True
        self._num_prompt_tokens = reply.num_prompt_tokens or self._num_prompt_tokens
        self.usage = reply.usage or self.usage
        for delta in reply.deltas:
            if delta.choice < len(self._drafts):
                self._add(self._drafts[delta.choice], delta)
        open_drafts = self._open()
        running = [draft for draft in open_drafts if draft.has_begun and draft.ended is None]
        ended = [draft for draft in open_drafts if draft.ended is not None]
        if ended and running:
            self._settle(ended, is_last=False)
        elif ended and reply.usage is not None:
            self._settle(ended, is_last=True)

    def end(self) -> list[Draft]:
        """Settle what the complete answer left open.

        Returns:
            The samples of which the server sent nothing though it sent others: it does not take ``n``.
        """
        open_drafts = self._open()
        if open_drafts and not self.num_begun:
            self.fail("the server's answer holds no sample")
            return []
        missing = [draft for draft in open_drafts if not draft.has_begun]
        begun = [draft for draft in open_drafts if draft.has_begun]
        for draft in begun:
            draft.ended = draft.ended or ("error", "the server ended it without saying why")
        self._settle(begun, is_last=True)
        self._drafts = [draft for draft in self._drafts if draft.has_begun]
        return missing

    def withdraw(self) -> list[Draft]:
        """Return the open samples of a request that the server refused, for other requests to draw."""
        open_drafts = self._open()
        self._drafts = [draft for draft in self._drafts if draft.is_settled]
        return open_drafts

    def fail(self, message: str) -> None:
        """End every open sample with an error; those the model had finished are whole."""
        self._stop(self._open(), ("error", message))

    def abort(self, indices: Sequence[int]) -> None:
        """Stop samples, given by their index in the generation, and the request once it has none left."""
        open_drafts = self._open()
        stopped = [draft for draft in open_drafts if draft.index in indices]
        is_over = len(stopped) == len(open_drafts) > 0
        if is_over and self._is_sent and self._num_unseen_tokens:
            self._is_answered = True
            for draft in self._drafts:
                draft.num_unseen = self._num_unseen_tokens
        self._stop(stopped, ("abort", None))
        if is_over and self.task is not None:
            self.task.cancel()

    def _open(self) -> list[Draft]:
        return [draft for draft in self._drafts if not draft.is_settled]

    def _add(self, draft: Draft, delta: Delta) -> None:
        draft.add(delta)
        if self._stream and not draft.is_settled and (delta.text or delta.token_ids):
            self._generation.push(draft.take())

    def _stop(self, drafts: Sequence[Draft], ended: tuple[FinishReason, str | None]) -> None:
        for draft in drafts:
            draft.ended = draft.ended or ended
        self._settle(drafts, is_last=len(drafts) == len(self._open()))

    def _settle(self, drafts: Sequence[Draft], *, is_last: bool) -> None:
        """Deliver the last chunks of samples that have ended.

        Args:
            drafts: with `ended` set.
            is_last: whether no other sample of this request is open, so that they pay what is left of the bill.
        """
        counts = [draft.num_known for draft in drafts]
        if is_last:
            known = [draft.num_exact for draft in drafts] if self.usage is not None else counts
            rest = max(0, self._bill() - self._num_charged)
            counts = split_tokens(rest, known, [draft.num_characters for draft in drafts])
        for draft, count in zip(drafts, counts, strict=True):
            assert draft.ended is not None
            reason, error = draft.ended
            computed, cached = self._prompt_share() if is_last else (0, 0)
            usage = SampleUsage(prompt_computed=computed, prompt_cached=cached, generated=count)
            self._num_charged += count
            self._generation.push(draft.take(reason, usage, error))
            draft.is_settled = True

    def _bill(self) -> int:
        """Return the tokens of the whole request: the server's count, else what has arrived."""
        if self.usage is not None:
            return self.usage.completion_tokens
        return sum(draft.num_known for draft in self._drafts)

    def _prompt_share(self) -> tuple[int, int]:
        """Return computed and cached prompt tokens for the one sample that carries them, else zeros."""
        if self._is_prompt_charged:
            return 0, 0
        self._is_prompt_charged = True
        if self.usage is not None:
            return self.usage.prompt_tokens - self.usage.cached_tokens, self.usage.cached_tokens
        return self._num_prompt_tokens if self._is_answered else 0, 0
