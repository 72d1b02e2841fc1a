"""Dynamic speculative planning: a draft agent runs ahead, the target checks every step at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ttscale.answers import AnswerClasses
from ttscale.run import Run
from ttscale.tools import Toolbox, Tools
from ttscale.types import Candidate, Outcome, Problem, Sample, Sampling
from ttscale_strategies.checks import require_at_least, require_positive
from ttscale_strategies.dag._speculative_round import Round, RoundResult, Verdict
from ttscale_strategies.dag.acting import STEP_FIELDS, Action, Step, stated_answer, step_prompt, taken
from ttscale_strategies.dag.rules.speculation import MatchPredictor, speculation_depth, state_features
from ttscale_strategies.refine._rounds import one_sample
from ttscale_strategies.revision import require_fields


@dataclass(frozen=True, kw_only=True)
class DynamicSpeculativePlanning:
    """DSP: a target agent finds its next steps drafted, and only checks them (arXiv:2509.01920).

    ``dynamic_speculative_planning:draft=hf:small,target=vllm:/models/large,beta=1`` has the small model act
    up to k steps ahead, tools included, while the large one writes the step at each of these places, all side
    by side. Steps are taken as long as both say the same, to the letter; at the first place where they do not
    the target's step is taken, and whatever was begun behind it is stopped in the engine. Only the target
    ends the work.

    It is lossless: the actions are those that the target alone would take (``k=0``), whatever the draft says,
    whoever is quicker. For that a prompt shows of earlier steps only the actions and what came of them, and
    the target's samples have their seeds by the number of the step. It holds where equal prompts and seeds
    give equal samples and where a tool gives equal results for equal calls.

    **Tools are called for drafts that may be thrown away: hand it none that changes anything.**

    k is predicted for each state, `MatchPredictor`, k = max(1, round(k̂) + β), and the predictor learns
    whenever the target is found to differ. Two knobs trade latency for cost: `beta`, while it runs, and
    `tau`, by which the predictor would rather be too high (above 0.5) than too low.

    Cost: per step that is taken one call of the target; beside it one of the draft for each guess, and at
    each mismatch what had been begun behind it, at most k − 1 calls of either, aborted half way. Latency: a
    step of the draft in place of one of the target wherever they agree, and a wait for the target at the end
    of every k steps. Of any sequence of S steps at most ``2 * S * max_k`` calls are made, retries apart.

    Departures: a linear predictor on the names of the tools called, in place of a DistilBERT on the text; it
    learns within a question and forgets at its end, so that a question's outcome does not depend on those
    before it. As in the paper only mismatches are remembered; but where a draft was right for more steps than
    predicted and k ran out, the prediction is raised at once, or a draft that is always right would never get
    further. A target that is there before the draft is not kept waiting. A failed sample of the target is
    drawn again at most `retries` times (10 in the paper). The paper cuts k by nothing; here `max_k` does. The
    trace has `actions`, and of all rounds `rounds`, [first step, k, steps taken, matches].
    """

    tools: Tools = ()
    """What the agent may call; none: those that come with the problem."""
    draft: str | None = None
    """URI of the model that runs ahead; ``None``: the one that samples."""
    target: str | None = None
    """URI of the model that decides; ``None``: the one that samples."""
    k: int | None = None
    """Steps that the draft runs ahead, >= 0, 0: the target goes alone; ``None``: predicted."""
    beta: int = 0
    """β, added to the prediction."""
    tau: float = 0.5
    """τ of the predictor's expectile loss, in (0, 1); the paper's are 0.5 to 0.99."""
    start: float = 2.0
    """k̂ before anything was learned, >= 0."""
    max_k: int = 8
    """Most steps ahead, >= 1."""
    max_steps: int = 16
    """Steps after which it gives up, >= 1."""
    retries: int = 2
    """Times that a failed sample of the target is drawn again, >= 0."""
    temperature: float | None = 0.0
    """Of both; ``None``: the models' own."""
    max_tokens: int | None = None
    """Most generated tokens of a step; ``None``: what the context leaves."""
    template: str = "act"
    """Name of the prompt template of a step, with the fields question, tools and steps."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        require_positive(self.max_k, "max_k")
        require_positive(self.max_steps, "max_steps")
        require_at_least(self.retries, 0, "retries")
        if self.k is not None:
            require_at_least(self.k, 0, "k")
        MatchPredictor(self.start, tau=self.tau)
        Sampling(temperature=self.temperature, max_tokens=self.max_tokens)
        require_fields(self.template, STEP_FIELDS)

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """Who drafts and who decides; of neither it needs anything special."""
        return dict.fromkeys((self.draft, self.target), frozenset[str]())

    def max_samples(self) -> None:
        """Return ``None``: how many are begun in vain depends on who is quicker; see the cost above."""
        return

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Take steps until the target ends the work, `max_steps` are taken, or the budget is spent."""
        box = await Toolbox.open(run, self.tools or run.tools)
        return await _Agent(self, run, box).outcome()


class _Agent:
    """The verified steps, and what is known of the draft."""

    def __init__(self, options: DynamicSpeculativePlanning, run: Run, box: Toolbox) -> None:
        self._options = options
        self._run = run
        self._box = box
        self._predictor = MatchPredictor(options.start, tau=options.tau)
        self._classes = AnswerClasses(run.workers)
        self._steps = list[Step]()
        self._matched = list[int]()
        """Numbers of steps that the draft had right since it was last wrong."""
        self._rounds = list[list[int]]()
        self._candidates = list[Candidate]()
        self._best = Outcome(answer=None)

    async def outcome(self) -> Outcome:
        """Play rounds to the end.

        Raises:
            BudgetExhausted: the budget is spent before the target has ended the work.
        """
        options = self._options
        while len(self._steps) < options.max_steps:
            first, depth = len(self._steps), self._depth()
            round_ = Round(
                self._steps,
                draft=self._draft,
                target=self._target,
                act=self._act,
                hear=self._hear,
                take=self._take,
            )
            result = await round_.play(depth)
            self._rounds.append([first, depth, result.num_steps, result.num_matched])
            self._run.note(rounds=list(self._rounds))
            self._learn(first, result)
            if result.end is not None:
                return self._result(result.end)
        return self._result(None)

    def _depth(self) -> int:
        options = self._options
        most = min(options.max_k, options.max_steps - len(self._steps))
        if options.k is not None:
            return min(options.k, most)
        state = state_features(self._tools, len(self._matched))
        return speculation_depth(self._predictor.predict(state), options.beta, most)

    # ── what is asked ─────────────────────────────────────────────────────────────────────────────────────

    async def _draft(self, steps: Sequence[Step]) -> Sample:
        options = self._options
        label = f"draft {len(steps)}"
        async with self._run.child(label=label, model=options.draft, numbered=False) as child:
            prompt = step_prompt(options.template, child, self._box, steps)
            return await one_sample(child, prompt, self._sampling)

    async def _target(self, steps: Sequence[Step]) -> Sample:
        """Have the target write the step after these: the same sample whenever it is asked for."""
        options = self._options
        label = f"target {len(steps)}"
        async with self._run.child(label=label, model=options.target, numbered=False) as child:
            prompt = step_prompt(options.template, child, self._box, steps)
            for _ in range(options.retries):
                sample = await one_sample(child, prompt, self._sampling)
                if sample.finish_reason not in ("error", "abort"):
                    return sample
            return await one_sample(child, prompt, self._sampling)

    async def _act(self, action: Action) -> Step:
        return await taken(action, self._run, self._box)

    @property
    def _sampling(self) -> Sampling:
        return Sampling(temperature=self._options.temperature, max_tokens=self._options.max_tokens)

    # ── what is known ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def _tools(self) -> list[str]:
        return [step.action.tool for step in self._steps]

    def _learn(self, first: int, result: RoundResult) -> None:
        """Take a round's matches in, and learn from them once a mismatch has ended them."""
        wrong = first + result.num_matched
        fresh = range(first, wrong)
        self._matched.extend(fresh)
        begun = self._matched[0] if self._matched else wrong
        tools = self._tools

        def state(place: int) -> NDArray[np.float64]:
            return state_features(tools[:place], place - begun)

        if result.is_mismatch:
            self._predictor.learn([state(place) for place in (*self._matched, wrong)])
            self._matched.clear()
        elif fresh:
            self._predictor.encourage([state(place) for place in fresh], state(wrong))

    async def _hear(self, verdict: Verdict) -> None:
        """Take in what the target said: an answer that it states is the best so far."""
        sample, answer = verdict.sample, stated_answer(verdict.sample)
        key = await self._classes.key(answer)
        self._candidates.append(
            Candidate(
                index=len(self._steps),
                answer=answer,
                key=key,
                num_tokens=sample.num_tokens,
                finish_reason=sample.finish_reason,
            )
        )
        if answer is not None:
            self._best = self._best.with_(answer=answer, key=key, text=sample.text)
            self._run.best(answer, key=key, text=sample.text)

    def _take(self, step: Step) -> None:
        self._steps.append(step)
        self._run.note(actions=[step.action.text for step in self._steps])

    def _result(self, last: Verdict | None) -> Outcome:
        """Return the outcome after the last verdict; ``None``: there was no step left."""
        candidates = tuple(self._candidates)
        if last is not None and last.action.kind != "finish":
            return self._best.with_(candidates=candidates, stop_reason="error", error=last.sample.error)
        return self._best.with_(candidates=candidates)
