"""Self-revision: a finished answer is taken up again with "Wait" or "Alternatively"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Final, Literal

from ttscale.errors import BudgetExhausted
from ttscale.run import Run
from ttscale.run.appended import without_end
from ttscale.types import Outcome, Problem, Prompt, Sample, Sampling
from ttscale_strategies.checks import require_at_least
from ttscale_strategies.refine._rounds import Rounds, one_sample
from ttscale_strategies.voting.confidence_measures import require_top_logprobs
from ttscale_strategies.voting.poll import Rule, keys_of, plain_majority
from ttscale_strategies.voting.rules import is_consistent

_ANSWER: Final = re.compile(
    r"\\(?:boxed|fbox)\s{0,9}\{|<answer>|####|\banswer\b[*_\s]{0,9}(?:is\b|:|=)", re.IGNORECASE
)
_PROBED: Final = 20
"""Likeliest next tokens among which the extensions are looked for."""


@dataclass(frozen=True, kw_only=True)
class SelfRevision:
    """Have a model go on after its answer, as if it doubted it (Zeng et al. 2025, arXiv:2502.12215).

    The final answer is taken off, "Wait" or "Alternatively" is put in its place, whichever the model is
    likelier to write next, and the model goes on, up to `num_revisions` times. Everything continues the same
    token ids, so that the model sees all it has written. Thoughts between delimiters are made longer by
    `BudgetForcing` (s1, arXiv:2501.19393); this revises what comes after them, or answers of models that do not
    think apart.

    Cost: num_revisions + 1 calls, one after the other, each with what was written before as its prompt, which a
    prefix cache has, and a budget must pay for where there is none; as many calls of one token more as there
    are revisions, with ``pick=likelier`` and more than one extension.

    Departures: the paper takes the last answer; with ``choose=majority`` all answers on the way vote. The
    answer is taken off where its line begins, and not at all if nothing would be left. Of an extension's
    probability only its first token's counts; where none is among the 20 likeliest tokens they take turns. An
    empty revision, and one that was cut off, is the last, as s1 does it. A failed one is tried again from where
    it began. It may stop once the answers agree enough: models rarely leave a wrong answer (in the paper's
    measurements fewer than one in ten were corrected), and a model that repeats itself agrees. `confidence` is
    the share of answers that agree with the one given; `text` is the passage that gave it.
    """

    num_revisions: int = 3
    """>= 0; the paper's go up to 40."""
    extensions: tuple[str, ...] = ("Wait", "Alternatively")
    """What makes the model go on, on a line of its own, none of them empty."""
    pick: Literal["likelier", "in_turn"] = "likelier"
    """Which of them: the one likelier as the next token, or each in its turn."""
    strip_answer: bool = True
    """Whether the final answer is taken off first."""
    choose: Literal["last", "majority"] = "last"
    """Who answers: the last revision with an answer, or the majority of all."""
    stop: Literal["never", "consistent"] = "never"
    """Whether it ends once the answers so far agree enough."""
    threshold: float | None = None
    """Of ``stop=consistent``, in [0, 1]; ``None``: 0.95, see
    `ttscale_strategies.voting.rules.is_consistent`."""
    temperature: float | None = None
    """``None``: the model's own."""
    max_tokens: int | None = None
    """Most generated tokens per call; ``None``: what the context leaves."""

    needs: ClassVar[frozenset[str]] = frozenset({"token_ids"})

    def __post_init__(self) -> None:
        require_at_least(self.num_revisions, 0, "num_revisions")
        if not self.extensions or not all(self.extensions):
            raise ValueError(f"extensions must be one or more texts, none empty; got {self.extensions!r}")
        is_consistent((), threshold=self.threshold)
        self._sampling()

    @property
    def _probes(self) -> bool:
        return self.pick == "likelier" and len(self.extensions) > 1

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """What it needs of the model: log-probabilities, where it looks for the likelier extension."""
        return {None: frozenset({"max_top_logprobs"})} if self._probes else {}

    def max_samples(self) -> int:
        """Return num_revisions + 1, and a probe for each revision where the likelier extension is picked."""
        return 1 + self.num_revisions * (1 + self._probes)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Answer and revise until a revision is the last, the answers agree, or the budget is spent."""
        if self._probes:
            require_top_logprobs(run, 1)
        rule: Rule | None = plain_majority if self.choose == "majority" else None
        rounds = Rounds(run, (1,) * (self.num_revisions + 1), rule=rule)
        asked = problem.prompt
        last: Sample | None = None
        while await rounds.draw(asked, self._sampling()):
            (ballot,) = rounds.drafts(rounds.num_drawn - 1)
            drawn = ballot.sample
            if rounds.num_drawn > self.num_revisions or self._is_last(drawn):
                break
            if self.stop == "consistent" and is_consistent(
                keys_of(rounds.poll.ballots), threshold=self.threshold
            ):
                rounds.poll.stop_reason = "decided"
                break
            last = last if drawn.is_error else drawn
            if last is None:
                continue
            try:
                asked = await self._taken_up(rounds, last, run)
            except BudgetExhausted:
                rounds.poll.stop_reason = "budget"
                break
        return rounds.poll.outcome()

    def _sampling(self) -> Sampling:
        return Sampling(temperature=self.temperature, max_tokens=self.max_tokens)

    def _is_last(self, sample: Sample) -> bool:
        return sample.finish_reason == "length" or not (sample.text or sample.is_error)

    async def _taken_up(self, rounds: Rounds, last: Sample, run: Run) -> Prompt:
        """Return the prompt that goes on from an answer."""
        kept = without_answer(last.text) if self.strip_answer else last.text
        ids, rest = without_end(replace(last, text=kept, finish_reason="stop"), run.decode)
        begun = Prompt(token_ids=(last.prompt.token_ids or ()) + ids)
        begun = run.append(begun, rest if kept.endswith("\n") else f"{rest}\n")
        return run.append(begun, await self._extension(rounds, begun, run))

    async def _extension(self, rounds: Rounds, begun: Prompt, run: Run) -> str:
        """Return what makes the model go on next."""
        in_turn = self.extensions[(rounds.num_drawn - 1) % len(self.extensions)]
        if not self._probes:
            return in_turn
        num_top = min(_PROBED, run.capabilities.max_top_logprobs)
        async with run.child(label="probe") as child:
            probe = await one_sample(child, begun, replace(self._sampling(), max_tokens=1, logprobs=num_top))
        rounds.spend(probe)
        likely = probe.top_logprobs[0] if probe.top_logprobs else {}
        firsts = {text: _first_token(run, begun, text) for text in self.extensions}
        known = [text for text in self.extensions if firsts[text] in likely]
        return max(known, key=lambda text: likely[firsts[text]], default=in_turn)


def _first_token(run: Run, begun: Prompt, text: str) -> int:
    """Return the first token of a text that is put behind a prompt."""
    ids = run.append(begun, text).token_ids or ()
    return ids[len(begun.token_ids or ())]


def without_answer(text: str) -> str:
    r"""Return a text up to the line in which its final answer stands; all of it, if nothing else would be left.

    Args:
        text: the answer is what its last ``\boxed{``, ``<answer>``, ``####`` or "answer is" begins.
    """
    starts = [found.start() for found in _ANSWER.finditer(text)]
    kept = text[: text.rfind("\n", 0, starts[-1]) + 1] if starts else text
    return kept if kept.strip() else text
