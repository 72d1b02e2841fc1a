"""ATTS: chains of a draft model, and a target that takes over where a segment is too unlikely."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Literal, cast

from ttscale.run import Run
from ttscale.types import Outcome, Problem, Sampling
from ttscale_strategies.checks import require_positive
from ttscale_strategies.search._atts_chain import Chain
from ttscale_strategies.search._tracks import needed
from ttscale_strategies.search.rules.conformal import is_taken_over, surely_taken_over, takeover_threshold
from ttscale_strategies.voting.poll import Poll
from ttscale_strategies.voting.rules import is_vote_decided

_READS = frozenset({"prompt_logprobs", "token_ids"})


@dataclass(frozen=True, kw_only=True)
class ATTS:
    """Asynchronous test-time scaling: a target judges drafts by how likely it finds them (arXiv:2509.15148).

    ``atts:target=vllm:/models/large,calibration=perplexities.json`` drafts with the model that samples. Each
    of n chains goes through turns, on its own:

    1. The draft writes a segment of at most `max_turn_tokens` tokens.
    2. The target reads it, which generates nothing: its perplexity is exp of the mean of −ln p over the
       segment's own tokens. Its rank is the share of the calibration's perplexities that are lower, 0 best
       and 1 worst.
    3. Where the rank reaches `threshold` the target goes on from the segment for at most as many tokens, and
       the next turn is the draft's again.

    A chain ends with an answer, when a model ends it, or after its turns; the chains vote. `confidence` is
    the winner's share of the votes.

    Cost: at most ``2 * n * turns`` calls. Of the segments the share r is taken over, about 1 − threshold
    where they are like those of the calibration: n · turns drafts, each read once by the target, and r · n ·
    turns continuations. A segment is read together with all that stands before it, which a prefix cache may
    have.

    Calibration: perplexities of first segments, of this draft under this target. Those of other questions
    (`calibration`, made by `ttscale_strategies.search.atts_calibration`) are the paper's *marginal* kind: an
    easy question then has few segments taken over and a hard one many, which is where it is worth it. Without
    them the chains' own first segments are the calibration, the *conditional* kind: it needs no data, and
    fits the question whatever it is; but the same share of chains is taken over however easy it is. It is the
    default as it is the only one that can be had without other questions. Then too no chain waits for all
    others: it goes on as soon as the first segments still missing can no longer change its verdict.

    The answer does not depend on which chain is quicker. Draft and target may have different tokenizers: each
    goes on from the token ids of what it wrote itself and has the other's words as text.

    What goes wrong: a segment that the target cannot read is infinitely unlikely, and taken over; so is one
    that the draft failed to write. A target that fails or writes nothing leaves the segment as it is. A draft
    that writes nothing ends its chain. A budget that ends before a segment has been read leaves it as it is,
    and the chain votes.

    Departures: an answer in a rejected segment is cut off before the target goes on, line by line, so that
    the target gives it. The authors calibrate with drafts up to the first box, here with segments as they are
    judged. ``stop="decided"`` ends chains that can no longer change the vote.
    """

    n: int = 16
    """Chains, >= 1."""
    turns: int = 15
    """Most turns of a chain, >= 1."""
    max_turn_tokens: int = 500
    """Most tokens of a segment, and of its continuation, >= 1."""
    draft: str | None = None
    """URI of the model that drafts; ``None``: the one that samples."""
    target: str | None = None
    """URI of the model that reads and takes over; ``None``: the one that samples."""
    threshold: float = 0.6
    """Least rank that is taken over, in [0, 1]; the authors' code also has 0.5. 0 takes all over."""
    takeover_share: float | None = None
    """Share of segments that may be taken over, in [0, 1], in place of the threshold: `takeover_threshold`.
    For B takeovers in a question it is B / (n · turns)."""
    calibration: tuple[float, ...] | str | None = None
    """Perplexities, or a JSON file with a list of them; ``None``: those of the chains' own first segments."""
    rejected: Literal["kept", "dropped"] = "kept"
    """Whether the target goes on from a segment that it takes over, as in the paper, or writes another in its
    place."""
    stop: Literal["decided", "never"] = "decided"
    """Whether chains are aborted once they can no longer change the vote."""
    temperature: float | None = 0.8
    """The paper's; ``None``: the model's own."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        for name in ("n", "turns", "max_turn_tokens"):
            require_positive(getattr(self, name), name)
        if not 0.0 <= self.threshold <= 1.0:
            raise ValueError(f"threshold must lie in [0, 1], got {self.threshold!r}")
        if self.takeover_share is not None:
            takeover_threshold(1, self.takeover_share)
        Sampling(temperature=self.temperature)
        if self.calibration is not None:
            _ = self.perplexities

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """Who drafts, and who reads and takes over."""
        return needed((self.draft, frozenset()), (self.target, _READS))

    @cached_property
    def perplexities(self) -> tuple[float, ...] | None:
        """The calibration; ``None``: the chains' own.

        Raises:
            ValueError: it is empty or holds something else, or there is no such file.
        """
        given = read_perplexities(self.calibration) if isinstance(self.calibration, str) else self.calibration
        if given is None:
            return None
        wrong = next((value for value in given if not value >= 1.0 or math.isinf(value)), None)
        if wrong is not None:
            raise ValueError(f"calibration must hold perplexities, finite and >= 1, got {wrong!r}")
        if not given:
            raise ValueError("calibration must hold one perplexity or more")
        return given

    def max_samples(self) -> int:
        """Return 2 · n · turns."""
        return 2 * self.n * self.turns

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Write all chains until their vote is decided, or the budget is spent."""
        return await _Chains(self, run).outcome()

    def threshold_for(self, num_calibrated: int) -> float:
        """Return the least rank that is taken over among so many perplexities."""
        if self.takeover_share is None:
            return self.threshold
        return takeover_threshold(num_calibrated, self.takeover_share)


def read_perplexities(path: str) -> tuple[float, ...]:
    """Return the perplexities of a JSON file: a list, or an object that has one as ``perplexities``.

    Raises:
        ValueError: it is not such a file, or cannot be read.
    """
    try:
        document = cast("object", json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise ValueError(f"calibration {path!r} cannot be read: {error}") from error
    values = (
        cast("Mapping[str, object]", document).get("perplexities") if isinstance(document, dict) else document
    )
    if not isinstance(values, list):
        raise ValueError(f"calibration {path!r} must hold a list of numbers")
    numbers = [value for value in cast("list[object]", values) if isinstance(value, int | float)]
    if len(numbers) != len(cast("list[object]", values)):
        raise ValueError(f"calibration {path!r} must hold numbers only")
    return tuple(float(number) for number in numbers)


class _Chains:
    """The chains side by side, what they are judged by, and their vote."""

    def __init__(self, options: ATTS, run: Run) -> None:
        self._options = options
        self._run = run
        self._poll = Poll(run)
        self._chains = [Chain(options, index) for index in range(options.n)]
        self._tasks: list[asyncio.Task[None]] = []
        self._first: dict[int, float] = {}
        """Perplexities of first segments, by chain."""
        self._news = asyncio.Event()

    async def outcome(self) -> Outcome:
        """Write the chains, and let them vote.

        Raises:
            BudgetExhausted: the budget does not buy a single segment.
        """
        async with asyncio.TaskGroup() as group:
            for chain in self._chains:
                self._tasks.append(group.create_task(self._go(chain)))
        exhausted = next((chain.exhausted for chain in self._chains if chain.exhausted is not None), None)
        if exhausted is not None:
            if not self._poll.ballots:
                raise exhausted
            self._poll.stop_reason = "budget"
        return self._poll.outcome()

    async def _go(self, chain: Chain) -> None:
        await chain.go(self._run, lambda value: self._is_taken_over(chain, value))
        self._note_first(chain, math.inf)  # it never had one
        if chain.text or chain.exhausted is None:
            await self._poll.add(chain.sample(self._run))
            self._stop_if_decided()

    def _stop_if_decided(self) -> None:
        votes = {ballot.sample.index: ballot.key for ballot in self._poll.ballots}
        running = set(range(self._options.n)) - set(votes)
        if self._options.stop == "decided" and running and is_vote_decided(votes, running):
            self._poll.stop_reason = "decided"
            for index in running:
                self._tasks[index].cancel()

    # ── judging ───────────────────────────────────────────────────────────────────────────────────────────

    async def _is_taken_over(self, chain: Chain, value: float) -> bool:
        """Return whether the target takes a segment of this perplexity over."""
        options = self._options
        if options.perplexities is not None:
            threshold = options.threshold_for(len(options.perplexities))
            return is_taken_over(value, options.perplexities, threshold)
        self._note_first(chain, value)
        threshold = options.threshold_for(options.n)
        while True:
            news, known = self._news, list(self._first.values())
            verdict = surely_taken_over(value, known, options.n - len(known), threshold)
            if verdict is not None:
                return verdict
            await news.wait()

    def _note_first(self, chain: Chain, value: float) -> None:
        """Remember a chain's first perplexity, and wake those who wait for it."""
        if chain.index not in self._first:
            self._first[chain.index] = value
            self._news.set()
            self._news = asyncio.Event()
