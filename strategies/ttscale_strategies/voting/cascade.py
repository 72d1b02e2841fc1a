"""Cascade: cheap models, or cheap strategies, first; the next one only where these are not sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal

from ttscale.answers import AnswerClasses
from ttscale.errors import BackendError, BudgetExhausted
from ttscale.run import Best, Run
from ttscale.strategy import Strategy, demands, parts
from ttscale.types import Candidate, Outcome, Problem, StopReason
from ttscale_strategies.voting.cascade_gate import Gate, GateMeasure
from ttscale_strategies.voting.cascade_vote import GatedVote, Wanted, is_plain_vote
from ttscale_strategies.voting.model_switch import require_models
from ttscale_strategies.voting.rules import majority
from ttscale_strategies.voting.self_consistency import SelfConsistency


@dataclass(frozen=True, kw_only=True)
class Cascade:
    """Ask one model, or one strategy, after the other until one is sure of its answer.

    Chen et al. 2023 (FrugalGPT, arXiv:2305.05176) for the cascade, Yue et al. 2023 (arXiv:2310.03094) for the
    agreement of a model's samples as what it is judged by. On the command line:

    - ``cascade:model_uris=[null, vllm:/models/large]``: five samples of the model that samples; where less
      than 80 % of them agree, five of the large one;
    - ``cascade:model_uris=[null, hf:large],stages=[self_consistency:n=8, self_consistency:n=3],threshold=1``;
    - ``cascade:stages=[self_consistency:n=4, "best_of_n:n=32,verifier=prm"]``: one model, more and more effort;
    - ``cascade:model_uris=[null, hf:large],stages=[adaptive_consistency:n=9],gate=beta``.

    In YAML, stages are a list of the same texts, or of mappings with `name` and `params`.

    Cost: the stages' up to the one that passes: ``c_1 + f_1 * (c_2 + f_2 * (c_3 + …))``, where stage i costs
    c_i and fails with probability f_i.

    A stage passes its gate if its confidence reaches the threshold; what a confidence means is its strategy's
    to say. That of a vote, `self_consistency` with its defaults for rule and stop, is the winner's share of all
    n samples: what is still missing or has no answer counts against it. Such a vote ends as soon as no outcome
    of the samples still running can change whether it passes and with whom; the last one as soon as its winner
    is known. A stage that fails in the engine does not pass; what was known before remains. `confidence` is
    that of the stage whose answer counts.

    Departure: the papers learn or tune a threshold for each stage; here there is one for all.
    """

    model_uris: tuple[str | None, ...] = (None,)
    """Each stage's model by URI, ``null`` the one that samples; a single one is the model of all stages."""
    stages: tuple[Strategy, ...] = field(default_factory=lambda: (SelfConsistency(n=5),))
    """Each stage's strategy; a single one is the strategy of all models."""
    gate: GateMeasure = "confidence"
    """What is held against the threshold: the stage's confidence, or a criterion of `AdaptiveConsistency` on
    its candidates' answers."""
    threshold: float | None = None
    """In [0, 1]; ``None``: 0.8 for ``"confidence"``, the criterion's own for the others."""
    otherwise: Literal["last", "vote"] = "last"
    """If no stage passes: the last answer there is, or the majority of all stages' candidates."""

    needs: ClassVar[frozenset[str]] = frozenset()
    elsewhere: ClassVar[frozenset[str]] = frozenset({"stages"})
    """Fields with what runs on the models it names."""

    def __post_init__(self) -> None:
        require_models(self.model_uris)
        if not self.stages:
            raise ValueError("stages must name a strategy; got none")
        if len({1, len(self.model_uris), len(self.stages)}) > 2:
            raise ValueError(
                f"there must be as many stages as model_uris, or one for all; got {len(self.stages)} stages "
                f"and {len(self.model_uris)} models"
            )
        Gate(self.gate, self.threshold)

    @property
    def plan(self) -> list[tuple[str | None, Strategy]]:
        """Model and strategy of each stage."""
        num_stages = max(len(self.model_uris), len(self.stages))
        models = self.model_uris * (num_stages if len(self.model_uris) == 1 else 1)
        stages = self.stages * (num_stages if len(self.stages) == 1 else 1)
        return list(zip(models, stages, strict=True))

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """Whom it asks; each must be able to do what its strategies, and their verifiers, need."""
        found = dict[str | None, frozenset[str]]()
        for model, stage in self.plan:
            for part in parts(stage, on_own_model=True):
                for other, needs in demands(part).items():
                    asked = model if other is None else other
                    found[asked] = found.get(asked, frozenset[str]()) | needs
        return found

    def max_samples(self) -> int | None:
        """Return the sum of the stages'."""
        most = [stage.max_samples() for _, stage in self.plan]
        return None if None in most else sum(number or 0 for number in most)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Ask stage after stage until one passes, all have been asked, or the budget is spent."""
        asked, chosen = _Asked(run), Outcome(answer=None)
        for place, (model, stage) in enumerate(self.plan):
            is_last = place + 1 == len(self.plan)
            async with run.child(label="stage", model=model) as child:
                outcome = await asked.tried(self._ready(stage, is_last=is_last), problem, child)
            asked.add(outcome, stage.max_samples())
            if self._gate.is_passed(outcome):
                return asked.result(outcome, "finished" if is_last else "decided")
            chosen = asked.latest if self.otherwise == "last" else await asked.elected()
            _report(run, chosen)
            if outcome.stop_reason == "budget":
                return asked.result(chosen, "budget")
        return asked.result(chosen, "finished")

    @property
    def _gate(self) -> Gate:
        return Gate(self.gate, self.threshold)

    def _ready(self, stage: Strategy, *, is_last: bool) -> Strategy | GatedVote:
        """Return a stage that ends when what is wanted of it is known, where that can be told."""
        if not is_plain_vote(stage):
            return stage
        wanted: Wanted = "votes" if self.otherwise == "vote" else "winner" if is_last else "passing"
        return GatedVote(vote=stage, gate=self._gate, wanted=wanted)


def _so_far(run: Run, stop_reason: StopReason, error: str | None = None) -> Outcome:
    """Return what a stage that was cut short knew."""
    best = run.answer_so_far
    return Outcome(
        answer=best.answer,
        key=best.key,
        confidence=best.confidence,
        text=best.text,
        stop_reason=stop_reason,
        error=error,
    )


def _first_message(error: BaseException) -> str:
    """Return what the first of nested errors says."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


def _report(run: Run, best: Best | Outcome) -> None:
    """Say an answer, if it is one: a later stage that has none yet leaves that of the one before."""
    if best.answer is not None:
        run.best(best.answer, key=best.key, confidence=best.confidence, text=best.text)


class _Asked:
    """The stages asked so far."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self.outcomes = list[Outcome]()
        self.candidates = list[Candidate]()
        """Of all stages, numbered through."""
        self._next_index = 0

    async def tried(self, stage: Strategy | GatedVote, problem: Problem, child: Run) -> Outcome:
        """Return what a stage brings; if it is cut short or fails, what it knew.

        Raises:
            BudgetExhausted: the budget does not buy a single sample of the first stage.
        """
        try:
            return await stage.solve(problem, child)
        except* BudgetExhausted:
            if not self.outcomes and not child.budget.usage.calls:
                raise
            cut = _so_far(child, "budget")
        except* BackendError as errors:
            cut = _so_far(child, "error", _first_message(errors))
        finally:
            _report(self._run, child.answer_so_far)
        return cut

    def add(self, outcome: Outcome, max_samples: int | None) -> None:
        """Take in a stage's outcome; its indices go on from those that the stages before could have had."""
        first, self._next_index = self._next_index, self._next_index + (max_samples or 0)
        for candidate in outcome.candidates:
            self.candidates.append(replace(candidate, index=first + candidate.index))
            self._next_index = max(self._next_index, self.candidates[-1].index + 1)
        self.outcomes.append(outcome)

    @property
    def latest(self) -> Outcome:
        """The last outcome with an answer, the last one if there is none."""
        answered = (outcome for outcome in reversed(self.outcomes) if outcome.answer is not None)
        return next(answered, self.outcomes[-1])

    async def elected(self) -> Outcome:
        """Return the answer that most candidates of all stages give."""
        answers = [candidate.answer for candidate in self.candidates]
        keys = await AnswerClasses(self._run.workers).keys(answers)
        winner = majority(keys)
        if winner is None:
            return self.latest
        answer = answers[keys.index(winner.key)]
        text = next((outcome.text for outcome in self.outcomes if outcome.answer == answer), None)
        return Outcome(answer=answer, key=winner.key, confidence=winner.share, text=text)

    def result(self, chosen: Outcome, stop_reason: StopReason) -> Outcome:
        """Return the cascade's outcome; it is an error if there is no answer and all stages failed."""
        candidates = tuple(self.candidates)
        failed = chosen.answer is None and all(o.stop_reason == "error" for o in self.outcomes)
        return Outcome(
            answer=chosen.answer,
            key=chosen.key,
            confidence=chosen.confidence,
            text=chosen.text,
            candidates=candidates,
            stop_reason="error" if failed else stop_reason,
            error=self.outcomes[0].error if failed else None,
        )
