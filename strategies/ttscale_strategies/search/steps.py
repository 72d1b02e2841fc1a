"""Steps: how a search by steps writes them, and how a verifier's scores become rewards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ttscale.answers import extract_answer
from ttscale.errors import VerifierError
from ttscale.run import Run
from ttscale.steps import Aggregate, aggregated
from ttscale.types import Prompt, Sample, SampleUsage, Sampling, Score, Timings
from ttscale.verifier import ScoresSteps, Verifier
from ttscale_strategies.search.tree import Draw, Node, Tree, key_of

Reward = Literal["verifier"] | Aggregate
"""What a node is worth: what the verifier says of all that was written so far, or an aggregate of what it said
of each step."""


@dataclass(frozen=True, kw_only=True)
class StepWriter:
    """Writes one step at a time, continuing token ids, and has a verifier score it."""

    verifier: Verifier
    reward: Reward
    delimiter: str
    delimiter_ids: tuple[int, ...]
    max_step_tokens: int | None
    max_depth: int
    temperature: float | None

    async def write(self, tree: Tree, draw: Draw, run: Run) -> Node | str:
        """Draw one step; at the greatest depth, all that is left.

        Returns:
            The step, not yet scored; or why there is none.

        Raises:
            BudgetExhausted: it does not fit the budget.
        """
        before = tree.path(draw.site.node)
        is_last = len(before) + 1 >= self.max_depth
        prompt = _prompt(run, [node.token_ids for node in before])
        async with run.sample(prompt, sampling=self._sampling(to_end=is_last)) as samples:
            sample = await anext(samples)
        if sample.finish_reason in ("error", "abort"):
            return sample.error or "the sample was aborted"
        text, goes_on = self._read(sample, run)
        answer = extract_answer(text)
        is_end = is_last or not goes_on or answer is not None
        if is_end and answer is None:
            answer = extract_answer("".join(node.text for node in before) + text)
        return Node(
            key=key_of(draw.site, sample.token_ids, text),
            parent=draw.site.node,
            draw=draw.number,
            action=draw.site.action,
            depth=len(before) + 1,
            text=text,
            token_ids=sample.token_ids,
            logprobs=sample.logprobs,
            is_end=is_end,
            answer=answer if is_end else None,
        )

    def _sampling(self, *, to_end: bool) -> Sampling:
        return Sampling(
            temperature=self.temperature,
            max_tokens=None if to_end else self.max_step_tokens,
            stop=() if to_end else (self.delimiter,),
            stop_token_ids=() if to_end else self.delimiter_ids,
            logprobs=0 if "logprobs" in self.verifier.needs else None,
        )

    def _read(self, sample: Sample, run: Run) -> tuple[str, bool]:
        """Return a step's text with the delimiter that it ended in, and whether the solution goes on."""
        whole = run.decode(sample.token_ids)
        if sample.finish_reason == "length":
            return whole or sample.text, True
        if sample.token_ids and sample.token_ids[-1] in self.delimiter_ids:
            return whole, True
        at = len(whole) - len(whole.lstrip(" ")) + len(sample.text.lstrip(" "))
        return whole or sample.text, self.delimiter in whole[at:]

    async def rate(self, tree: Tree, node: Node, run: Run) -> Node:
        """Return a node with what the verifier makes of it.

        Raises:
            BudgetExhausted: the verifier's work does not fit the budget.
        """
        before = tree.path(node.parent)
        verifier = self.verifier.for_newest_step() if isinstance(self.verifier, ScoresSteps) else self.verifier
        try:
            (score,) = await run.score([solution_of([*before, node], run)], verifier)
        except VerifierError as error:
            return replace(node, reason=str(error))
        value, step, reason = read_score(score, len(before) + 1)
        if step is not None and self.reward != "verifier":
            earlier = [one.step_reward for one in before if one.step_reward is not None]
            value = aggregated([*earlier, step], self.reward)
        return replace(node, reward=value, step_reward=step, reason=reason)


def _prompt(run: Run, written: Sequence[Sequence[int]]) -> Prompt:
    """Return the problem's prompt with steps behind it."""
    asked = run.encode(run.problem.prompt)
    ids = tuple(token_id for step in written for token_id in step)
    return Prompt(token_ids=(asked.token_ids or ()) + ids) if ids else asked


def read_score(score: Score, num_steps: int) -> tuple[float | None, float | None, str]:
    """Return what a score says of a solution so far and of its newest step, in [0, 1], or why it says nothing.

    One score of steps is the newest step's, and so is the last of several. A verifier that scores more steps
    than there are has split them further (as beam search in search-and-learn takes it); one that scores
    several, but not all, cannot be read. Without scores of steps the value is the newest step's too.

    Args:
        score: of all that was written so far.
        num_steps: steps written so far, >= 1.

    Returns:
        Value and newest step's value, both ``None`` if it cannot be read; and a remark, empty if there is
        nothing to say.
    """
    if score.value is None:
        return None, None, score.reason or "the verifier gave no value"
    if 1 < len(score.steps) < num_steps:
        return None, None, f"the verifier scored {len(score.steps)} steps of {num_steps}"
    step = score.steps[-1] if score.steps else score.value
    for value in (score.value, step):
        if not score.low <= value <= score.high:  # nor is NaN
            return None, None, f"the verifier gave {value!r}, which is not in [{score.low}, {score.high}]"
    span = score.high - score.low
    value, step = (1.0 if not span else (given - score.low) / span for given in (score.value, step))
    too_many = len(score.steps) > max(1, num_steps)
    return value, step, f"the verifier scored {len(score.steps)} steps of {num_steps}" if too_many else ""


def solution_of(path: Sequence[Node], run: Run) -> Sample:
    """Return a path as one sample."""
    logprobs = [node.logprobs for node in path if node.logprobs is not None]
    token_ids = tuple(token_id for node in path for token_id in node.token_ids)
    return Sample(
        index=0,
        text="".join(node.text for node in path),
        token_ids=token_ids,
        finish_reason="stop" if path[-1].is_end else "length",
        usage=SampleUsage(generated=len(token_ids)),
        prompt=run.problem.prompt,
        seed=0,
        timings=Timings(submitted=run.now()),
        logprobs=tuple(logprob for step in logprobs for logprob in step) if logprobs else None,
    )
