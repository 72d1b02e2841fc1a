"""PDR: drafts in parallel, distilled into a bounded workspace, refined."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from ttscale.errors import BudgetExhausted
from ttscale.run import Run
from ttscale.template import numbered
from ttscale.types import Outcome, Problem, Prompt
from ttscale.verifier import Verifier
from ttscale_strategies.checks import require_positive
from ttscale_strategies.refine._rounds import Asked, RoundOptions, Rounds, one_sample
from ttscale_strategies.refine._workspace import fitted_texts, workspace_tokens
from ttscale_strategies.refine.rules import (
    Distil,
    num_pdr_calls,
    picked_drafts,
    random_drafts,
    top_drafts,
    usable_drafts,
)
from ttscale_strategies.revision import (
    REVISION_FIELDS,
    asked_again,
    require_fields,
    revision_prompt,
    without_thoughts,
)
from ttscale_strategies.voting.poll import Ballot

_MAX_PICK_CHARACTERS: Final = 2_000
_NUMBER: Final = re.compile(r"(?<![\w.])[0-9]{1,6}(?![\w.]*[0-9])")


@dataclass(frozen=True, kw_only=True)
class PDR(RoundOptions):
    """PDR, parallel-distil-refine: rounds of drafts that see a workspace of bounded size (arXiv:2510.01123).

    Round r draws M_r drafts side by side; they are distilled into a workspace of at most κ tokens, which is all
    that the next round sees of them; the last call, a round of one, answers. The length of a context thus does
    not grow with the tokens spent. Drafts that failed, were cut off or say nothing after their thoughts are
    left out; where none is left the next round starts afresh from the bare question.

    ``distil=global_summary``: the model sums the drafts up, agreements, contradictions and open questions.
    ``shared_top_k``: the k best drafts, the same for all. ``per_sample_top_k``: each generation of the next
    round picks its own k, and begins as soon as it has. ``random_k``: k drafts drawn at random for each
    generation.

    Cost: Σ M_r + 1 generations; a call more a round for a summary or a shared pick by the model, one more for
    each generation of the next round if each picks (nobody picks among k drafts or fewer). [16, 8, 4] takes 32
    calls with summaries, 29 where drafts are drawn at random or picked by votes. Each prompt holds at most κ
    tokens of drafts, that of a summary or a pick at most half a context; prompts that are the same for a whole
    round are computed once where the engine caches prefixes. The latency is that of the rounds one after
    another. The trace has the paper's B_total as `total_tokens` and B_seq as `sequential_tokens`, of each stage
    the longest call; a verifier's tokens are not in them.

    Departures: the paper's prompts are not known to us, nor how it keeps to κ: drafts are cut evenly, the
    longest first, at their beginning; a summary is cut at its end, and the trace says so (`cut_summaries`). A
    failed or empty summary is an empty workspace. `picked_by` votes and verifiers are ours, and so is `stop`.
    Where the last call gives no answer, or is never made, the majority of the last whole round with one
    answers. `confidence` is the share of all generations with an answer that agree with it.
    """

    drafts: tuple[int, ...] = (8,)
    """M_1, …, each >= 1, without the last call; the paper's are [8], [16, 8] and [16, 8, 4]."""
    distil: Distil = "global_summary"
    k: int = 4
    """Drafts that a generation is shown, >= 1; the paper's are 2 and 4. Summaries are of all."""
    picked_by: Literal["model", "votes"] = "model"
    """Who picks the k best: the model, by their numbers, or their answers, those that most drafts have."""
    verifier: Verifier | None = None
    """Picks the k best in place of either, with ``distil=shared_top_k``; not one that reads
    log-probabilities."""
    template: str = "revise"
    """Name of the prompt template that shows drafts, with the fields question and attempts."""
    summary_template: str = "summarise_drafts"
    """Name of the one that asks for a summary, with the fields question and attempts."""
    summarised_template: str = "revise_summarised"
    """Name of the one that shows it, with the fields question and summary."""
    pick_template: str = "pick_drafts"
    """Name of the one that asks for the best drafts, with the fields question, attempts and count."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self.k, "k")
        self.max_samples()
        if self.distil == "per_sample_top_k" and not self._asks_for_picks:
            raise ValueError("votes and verifiers pick the same for all: choose distil=shared_top_k")
        if self.verifier is not None and {"logprobs", "max_top_logprobs"} & self.verifier.needs:
            raise ValueError("the verifier must not read log-probabilities: drafts are kept without them")
        require_fields(self.template, REVISION_FIELDS)
        require_fields(self.summary_template, REVISION_FIELDS)
        require_fields(self.summarised_template, ("question", "summary"))
        require_fields(self.pick_template, (*REVISION_FIELDS, "count"))

    @property
    def _asks_for_picks(self) -> bool:
        return self.picked_by == "model" and self.verifier is None

    def max_samples(self) -> int:
        """Return the generations, summaries and picks; see `num_pdr_calls`."""
        num_calls = num_pdr_calls(self.drafts, self.distil, is_picked_by_model=self._asks_for_picks)
        if self.distil not in ("shared_top_k", "per_sample_top_k") or not self._asks_for_picks:
            return num_calls
        following = (*self.drafts[1:], 1)
        is_shared = self.distil == "shared_top_k"
        spared = (
            1 if is_shared else size
            for before, size in zip(self.drafts, following, strict=True)
            if before <= self.k
        )
        return num_calls - sum(spared)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Answer with the last call, or with the round that a rule or the budget makes the last."""
        sizes = (*self.drafts, 1)
        rounds = Rounds(run, sizes)
        cut_summaries = list[int]()
        asked: Asked = problem.prompt
        while await rounds.draw(asked, self.sampling()):
            if rounds.num_drawn == len(sizes) or rounds.is_settled(self):
                break
            try:
                asked = await self._distilled(rounds, sizes[rounds.num_drawn], run, cut_summaries)
            except BudgetExhausted:
                rounds.poll.stop_reason = "budget"
                break
        return rounds.poll.outcome()

    async def _distilled(self, rounds: Rounds, size: int, run: Run, cut_summaries: list[int]) -> Asked:
        """Return what the next round is asked, by what came of the last one."""
        drawn = rounds.drafts(rounds.num_drawn - 1)
        texts = ["" if ballot.sample.is_error else without_thoughts(ballot.sample.text) for ballot in drawn]
        usable = usable_drafts(texts, [ballot.sample.finish_reason == "length" for ballot in drawn])
        ballots, texts = [drawn[index] for index in usable], [texts[index] for index in usable]
        match self.distil:
            case "global_summary":
                return await self._summarised(rounds, texts, run, cut_summaries)
            case "random_k":
                seeds = [run.rng.getrandbits(64) for _ in range(size)]
                picks = [random_drafts(len(texts), self.k, seed=seed) for seed in seeds]
                prompts = [self._showing(texts, picked, run) for picked in picks]
                return partial(self._own, prompts) if len(set(picks)) > 1 else prompts[0]
            case "per_sample_top_k":
                is_choice = len(texts) > self.k
                return partial(self._own_pick, rounds, texts) if is_choice else self._showing(texts, None, run)
            case "shared_top_k":
                return self._showing(texts, await self._shared_pick(rounds, ballots, texts, run), run)

    def _showing(self, texts: Sequence[str], picked: Sequence[int] | None, run: Run) -> Prompt:
        """Return the prompt that shows the picked drafts, cut to the workspace; ``None``: all."""
        wanted = texts if picked is None else [texts[index] for index in picked]
        fitted = fitted_texts(run, wanted, workspace_tokens(run, self.max_workspace_tokens))
        return revision_prompt(self.template, run, [text for text in fitted if text.strip()])

    # ── summaries ─────────────────────────────────────────────────────────────────────────────────────────

    async def _summarised(self, rounds: Rounds, texts: Sequence[str], run: Run, cut: list[int]) -> Prompt:
        """Return the prompt that shows a summary of the drafts; the bare question where there is none."""
        if not texts:
            return run.problem.prompt
        async with run.child(label="summary") as child:
            sample = await one_sample(child, self._about(self.summary_template, child, texts), self.sampling())
        rounds.spend(sample)
        summary = "" if sample.is_error else without_thoughts(sample.text)
        capacity = workspace_tokens(run, self.max_workspace_tokens)
        (fitted,) = fitted_texts(run, [summary], capacity, keep="start")
        if fitted != summary or sample.finish_reason == "length":
            cut.append(rounds.num_drawn)
            run.note(cut_summaries=tuple(cut))
        if not fitted.strip():
            return run.problem.prompt
        return asked_again(self.summarised_template, run, summary=fitted.strip())

    def _about(self, template: str, run: Run, texts: Sequence[str], **values: str) -> Prompt:
        """Return a prompt that shows drafts to whoever distils them."""
        fitted = fitted_texts(run, texts, workspace_tokens(run, None))
        return asked_again(template, run, attempts=numbered("Attempt", fitted), **values)

    # ── picks ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _own(self, prompts: Sequence[Prompt], place: int, run: Run) -> Prompt:
        return prompts[place]

    async def _own_pick(self, rounds: Rounds, texts: Sequence[str], place: int, run: Run) -> Prompt:
        return self._showing(texts, await self._models_pick(rounds, texts, run, place), run)

    async def _shared_pick(
        self, rounds: Rounds, ballots: Sequence[Ballot], texts: Sequence[str], run: Run
    ) -> Sequence[int]:
        """Return the places of the k best drafts for everybody."""
        if len(texts) <= self.k:
            return range(len(texts))
        if self.verifier is not None:
            scores = await run.score([ballot.sample for ballot in ballots], self.verifier)
            return top_drafts([score.value for score in scores], self.k)
        if self.picked_by == "votes":
            votes = Counter(ballot.key for ballot in ballots if ballot.key is not None)
            return top_drafts([votes.get(ballot.key) if ballot.key else None for ballot in ballots], self.k)
        async with run.child(label="pick") as child:
            return await self._models_pick(rounds, texts, child, None)

    async def _models_pick(
        self, rounds: Rounds, texts: Sequence[str], run: Run, place: int | None
    ) -> tuple[int, ...]:
        """Return the places of the k drafts that the model picks; the first ones where it names too few."""
        asked = self._about(self.pick_template, run, texts, count=str(self.k))
        sample = await one_sample(run, asked, self.sampling())
        rounds.spend(sample, place)
        return picked_drafts(named_numbers(sample.text) if not sample.is_error else (), len(texts), self.k)


def named_numbers(text: str) -> tuple[int, ...]:
    """Return the whole numbers on the last line, of what comes after the thoughts, that has any.

    Args:
        text: of a model that was asked for numbers; only the end of a long one is read.
    """
    for line in reversed(without_thoughts(text)[-_MAX_PICK_CHARACTERS:].splitlines()):
        if found := _NUMBER.findall(line):
            return tuple(int(number) for number in found)
    return ()
