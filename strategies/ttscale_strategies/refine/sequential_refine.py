"""Sequential refinement: one attempt after another, each of which sees those before."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ttscale.errors import BudgetExhausted
from ttscale.registry import load_template
from ttscale.run import Run, question_of, worded
from ttscale.template import numbered
from ttscale.types import Message, Outcome, Problem, Prompt, Sampling
from ttscale_strategies.checks import require_positive
from ttscale_strategies.refine._chains import Chains
from ttscale_strategies.refine._rounds import RoundOptions, one_sample
from ttscale_strategies.refine._workspace import fitted_texts, workspace_tokens
from ttscale_strategies.refine.rules import usable_drafts
from ttscale_strategies.revision import (
    REVISION_FIELDS,
    asked_again,
    require_fields,
    revision_prompt,
    without_thoughts,
)
from ttscale_strategies.voting.confidence_measures import entropy_measure, require_top_logprobs
from ttscale_strategies.voting.poll import Ballot, Rule, keys_of, plain_majority
from ttscale_strategies.voting.rules import Election, inverse_entropy_vote, is_consistent
from ttscale_strategies.voting.rules.inverse_entropy import MIN_ENTROPY


@dataclass(frozen=True, kw_only=True)
class SequentialRefine(RoundOptions):
    """Attempts that each build on the earlier ones, and a vote over all of them (arXiv:2511.02309).

    "The Sequential Edge": attempt j sees the attempts before it and is asked to find their mistakes and do
    better; every attempt votes, weighted by 1 / mean token entropy. With ``show=last,choose=last`` it is SR of
    "Rethinking Thinking Tokens" (arXiv:2510.01123): each attempt sees only the one before, and the last one
    answers; ``analyse=true`` has the errors listed first.

    A chain is as long as a context holds its attempts, and slow. With `num_chains` several go on side by side,
    each as soon as it can and without a look at the others, and all attempts of all of them vote; with
    ``choose=last`` it is the majority of the chains, each with its last answer.

    Cost: of each chain n calls, 2n - 1 with `analyse`, one after the other: the latency is that of the attempts
    of a chain together. All chains begin from one prompt; each prompt after that holds the question and at most
    κ tokens of attempts, so that n attempts of L tokens read up to n (n - 1) / 2 · L tokens of prompt; with
    ``form=turns`` and nothing cut, a prefix cache has all but the last.

    Departures: neither paper's prompts are known to us. Attempts are shown without what comes before
    ``</think>``; failed, empty and cut off ones are not shown, and those that repeat another word for word only
    once; where none is left the bare question is asked again. Attempts that do not fit κ are cut evenly, the
    longest first. A chain may end once its attempts agree enough (``stop=consistent``): a model that repeats
    itself agrees. The paper has one chain, and calls attempts chains. Equal output tokens are no equal compute:
    compare `total_tokens` and `sequential_tokens` in the trace with those of votes side by side. `confidence`
    is the winner's share of the weights; with ``choose=last`` the share of attempts that agree with it. With
    ``choose=inverse_entropy`` a candidate's score is its entropy in bits.
    """

    n: int = 6
    """Attempts of a chain, >= 1; the paper's are 3, 6 and 9."""
    num_chains: int = 1
    """Chains of attempts side by side, >= 1."""
    show: Literal["all", "last"] = "all"
    """Which attempts the next one sees."""
    choose: Literal["inverse_entropy", "majority", "last"] = "inverse_entropy"
    """Who answers: the attempts' vote, or the last attempt with an answer."""
    form: Literal["attempts", "turns"] = "attempts"
    """How attempts are shown: in one question, by `template`, or as turns of a conversation in which the user
    asks for a better one, by `turn_template`, as a chat model knows it and as the first paper does it."""
    analyse: bool = False
    """Whether a call that lists the attempts' errors comes before each new attempt; with ``form=attempts``."""
    template: str | None = None
    """Name of the prompt template with the fields question and attempts, and analysis where there is one;
    ``None``: ``"revise"``, or ``"revise_analysed"``."""
    analysis_template: str = "find_errors"
    """Name of the one that asks for errors, with the fields question and attempts."""
    turn_template: str = "refine_turn"
    """Name of the one that asks for a better attempt, without fields."""
    top_logprobs: int = 20
    """Tokens of each position that an entropy is taken over, >= 1."""
    min_entropy: float = MIN_ENTROPY
    """Bits that an attempt counts as having at least, > 0; the paper's is 1e-10."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.n, "n")
        require_positive(self.num_chains, "num_chains")
        require_positive(self.top_logprobs, "top_logprobs")
        self._weigh(())
        if self.stop not in ("never", "consistent"):
            raise ValueError(f"stop={self.stop} needs rounds of several answers; choose never or consistent")
        if self.analyse and self.form == "turns":
            raise ValueError("analyse=true needs form=attempts")
        require_fields(self._template, (*REVISION_FIELDS, *(("analysis",) if self.analyse else ())))
        require_fields(self.analysis_template, REVISION_FIELDS)
        if found := load_template(self.turn_template).fields:
            raise ValueError(f"the template {self.turn_template!r} must have no fields, it has {found}")

    @property
    def _template(self) -> str:
        return self.template or ("revise_analysed" if self.analyse else "revise")

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """What it needs of the model: log-probabilities, where it weighs by them."""
        return {None: frozenset({"max_top_logprobs"})} if self.choose == "inverse_entropy" else {}

    def max_samples(self) -> int:
        """Return n, and one less analyses, of each chain."""
        return self.num_chains * (self.n + (self.n - 1) * self.analyse)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Vote after the last attempt of every chain, or that which agreement or the budget makes the last.

        Raises:
            CapabilityError: the model gives fewer log-probabilities than asked for.
        """
        is_weighed = self.choose == "inverse_entropy"
        if is_weighed:
            require_top_logprobs(run, self.top_logprobs)
        rules: dict[str, Rule] = {"inverse_entropy": self._weigh, "majority": plain_majority}
        measure = entropy_measure(self.top_logprobs) if is_weighed else None
        chains = Chains(run, self.n, rule=rules.get(self.choose), measure=measure)
        sampling = self.sampling(logprobs=self.top_logprobs if is_weighed else None)
        async with (
            run.sample(problem.prompt, n=self.num_chains, sampling=sampling) as firsts,
            asyncio.TaskGroup() as group,
        ):
            try:
                async for first in firsts:
                    await chains.add(first.index, first)
                    group.create_task(self._go_on(chains, first.index, sampling, run))
            except BudgetExhausted as error:
                chains.cut(error)
        return chains.outcome()

    async def _go_on(self, chains: Chains, chain: int, sampling: Sampling, run: Run) -> None:
        """Draw the attempts of a chain that come after its first."""
        async with run.child(label=f"chain {chain}", numbered=False) as own:
            try:
                while len(attempts := chains.attempts(chain)) < self.n:
                    if self._agree(attempts):
                        chains.settle()
                        break
                    asked = await self._asked(chains, chain, own)
                    await chains.add(chain, await one_sample(own, asked, sampling))
            except BudgetExhausted as error:
                chains.cut(error)

    def _agree(self, attempts: Sequence[Ballot]) -> bool:
        """Return whether the attempts of a chain agree enough to need no other."""
        return self.stop == "consistent" and is_consistent(keys_of(attempts), threshold=self.threshold)

    def _weigh(self, ballots: Sequence[Ballot]) -> Election | None:
        entropies = [ballot.measured for ballot in ballots]
        return inverse_entropy_vote(keys_of(ballots), entropies, min_entropy=self.min_entropy)

    async def _asked(self, chains: Chains, chain: int, run: Run) -> Prompt:
        """Return the prompt of a chain's next attempt, with the errors listed first where it is wanted."""
        attempts = self._shown(chains.attempts(chain), run)
        if not attempts:
            return run.problem.prompt
        if self.form == "turns":
            return self._turns(attempts, run)
        if self.analyse:
            async with run.child(label="analysis") as child:
                analysis = await one_sample(
                    child, revision_prompt(self.analysis_template, child, attempts), self.sampling()
                )
            chains.spend(chain, analysis)
            found = "" if analysis.is_error else without_thoughts(analysis.text)
            (fitted,) = fitted_texts(
                run, [found], workspace_tokens(run, self.max_workspace_tokens), keep="start"
            )
            shown = {"attempts": numbered("Attempt", attempts), "analysis": fitted or "None were found."}
            return asked_again(self._template, run, **shown)
        return revision_prompt(self._template, run, attempts)

    def _shown(self, ballots: Sequence[Ballot], run: Run) -> list[str]:
        """Return the attempts that the next one sees, oldest first, cut to the workspace."""
        texts = ["" if ballot.sample.is_error else without_thoughts(ballot.sample.text) for ballot in ballots]
        usable = usable_drafts(texts, [ballot.sample.finish_reason == "length" for ballot in ballots])
        latest = list(dict.fromkeys(texts[index] for index in reversed(usable)))  # of equal ones the last
        wanted = latest[:1] if self.show == "last" else latest[::-1]
        fitted = fitted_texts(run, wanted, workspace_tokens(run, self.max_workspace_tokens))
        return [text for text in fitted if text.strip()]

    def _turns(self, attempts: Sequence[str], run: Run) -> Prompt:
        asked = worded(run)
        again = load_template(self.turn_template).render().messages
        turns = list(asked.messages or Prompt.user(question_of(asked, run)).messages)
        for attempt in attempts:
            turns += [Message("assistant", attempt), *again]
        return Prompt(messages=tuple(turns))
