"""PaCoRe: rounds of parallel answers, each compacted to a message for the next round."""

from __future__ import annotations

from dataclasses import dataclass

from ttscale.registry import load_template
from ttscale.run import Run
from ttscale.template import numbered
from ttscale.types import Outcome, Problem, Prompt
from ttscale_strategies.refine._rounds import RoundOptions, Rounds
from ttscale_strategies.refine._workspace import fitted_texts, workspace_tokens
from ttscale_strategies.refine.rules import compacted, num_message_calls, shuffled_references
from ttscale_strategies.revision import REVISION_FIELDS, asked_again, require_fields, revision_prompt


@dataclass(frozen=True, kw_only=True)
class PaCoRe(RoundOptions):
    """PaCoRe: parallel answers pass on what they say after thinking, round by round (arXiv:2601.05593).

    Round r draws K_r answers side by side; of each, only what it says after its thoughts is kept, and the next
    round sees the question with these messages as numbered references, ordered by length and then shuffled with
    a seed. One last call answers. A failed or empty answer sends no message; where nobody does, the next round
    is asked the bare question.

    Cost: Σ K_r + 1 calls, [4] takes 5, [16] takes 17, [32, 4] takes 37; the prompt of every call after the
    first round holds K_(r-1) messages, at most κ tokens, once for the whole round where the engine caches
    prefixes. A round waits for all messages of the one before.

    Departures: the paper's model is trained to combine references, others are merely asked to. Messages that do
    not fit κ are cut evenly, the longest first; the paper has a context of 131,072 tokens and does not say. It
    may end after a round that agrees enough (`stop`), which the paper does not do. Where the last call gives no
    answer, or is never made, the majority of the last whole round with one answers. `confidence` is the share
    of all answers that agree with it. The trace has `total_tokens` and `sequential_tokens`.
    """

    samples_per_round: tuple[int, ...] = (4,)
    """K_1, …, K_R, each >= 1, without the last call; the paper's are [4], [16] and [32, 4]."""
    seed: int = 42
    """Of the references' order."""
    template: str = "references"
    """Name of the prompt template of later rounds, with the fields question and references, or, as `revise` has
    them, question and attempts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.max_samples()
        if not self._shows_attempts:
            require_fields(self.template, ("question", "references"))

    @property
    def _shows_attempts(self) -> bool:
        return set(load_template(self.template).fields) == set(REVISION_FIELDS)

    def max_samples(self) -> int:
        """Return Σ K_r + 1."""
        return num_message_calls(self.samples_per_round)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Answer with the last call, or with the round that a rule or the budget makes the last."""
        sizes = (*self.samples_per_round, 1)
        rounds = Rounds(run, sizes)
        while rounds.num_drawn < len(sizes):
            if not await rounds.draw(self._asked(rounds, run), self.sampling()) or rounds.is_settled(self):
                break
        return rounds.poll.outcome()

    def _asked(self, rounds: Rounds, run: Run) -> Prompt:
        """Return the next round's prompt; the problem's own if there are no messages."""
        if rounds.num_drawn == 0:
            return run.problem.prompt
        drawn = [ballot.sample for ballot in rounds.drafts(rounds.num_drawn - 1)]
        messages = compacted(["" if sample.is_error else sample.text for sample in drawn])
        capacity = workspace_tokens(run, self.max_workspace_tokens)
        fitted = fitted_texts(run, shuffled_references(messages, seed=self.seed), capacity)
        references = [text for text in fitted if text.strip()]
        if self._shows_attempts or not references:
            return revision_prompt(self.template, run, references)
        return asked_again(self.template, run, references=numbered("Reference", references))
