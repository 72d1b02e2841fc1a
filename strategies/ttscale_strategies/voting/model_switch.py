"""ModelSwitch: the next model is asked where one does not agree with itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttscale.errors import BackendError
from ttscale.run import Run
from ttscale.types import Outcome, Problem
from ttscale_strategies.voting._options import DrawOptions
from ttscale_strategies.voting.poll import Ballot, Poll, keys_of
from ttscale_strategies.voting.rules import Election, Majority, model_switch_vote, unanimous


@dataclass(frozen=True, kw_only=True)
class ModelSwitch(DrawOptions):
    """Ask one model after the other until one always says the same (Chen et al. 2025, arXiv:2504.00762).

    ``model_switch:model_uris=[null, vllm:/models/other],n=5`` asks the model that samples, then the other one.

    Cost: n to n · (number of models) calls, each model's prompt and answers; on average
    ``n * (1 + p_1 + p_1 * p_2 + …)`` calls where model i disagrees with itself with probability p_i. A model's
    samples are drawn side by side, and the next model is asked when all of them have ended. The answer is that
    of the model whose samples all say the same, none missing; if there is none, that of a vote of all samples
    in which a model weighs the less, the less it agrees with itself. A model that fails is one that disagrees.
    `confidence` is 1 where a model is unanimous, else the winner's share of the weights. The paper puts the
    strongest model first, and draws 10 to 16 samples in all from two or three.
    """

    n: int = 5
    """Samples of each model, >= 1."""
    model_uris: tuple[str | None, ...] = (None,)
    """The models in the order asked, by URI; ``null`` is the one that samples."""
    external_weights: tuple[float, ...] = ()
    """How good each model is thought to be, >= 0, one a model; without, all are 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_models(self.model_uris)
        self._vote([()] * len(self.model_uris))

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """Whom it asks; of none it needs anything special."""
        return dict.fromkeys(self.model_uris, frozenset[str]())

    def max_samples(self) -> int:
        """Return n for each model."""
        return self.n * len(self.model_uris)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Ask until a model is unanimous, all have been asked, or the budget is spent."""
        poll, failures = Poll(run, self._elect), list[str]()
        for place, model in enumerate(self.model_uris):
            try:
                async with (
                    run.child(label="model", model=model) as child,
                    child.sample(problem.prompt, n=self.n, sampling=self.sampling()) as samples,
                ):
                    if not await poll.hear(samples, first_index=place * self.n):
                        break
            except BackendError as error:  # it takes no such prompt
                failures.append(str(error))
            if self._agreed(self._by_model(poll.ballots)[place]) is not None:
                poll.stop_reason = "decided" if place + 1 < len(self.model_uris) else "finished"
                break
        if not poll.ballots and failures:
            return Outcome(answer=None, stop_reason="error", error=failures[0])
        return poll.outcome()

    def _elect(self, ballots: Sequence[Ballot]) -> Majority | Election | None:
        keys = self._by_model(ballots)
        agreed = next((key for model in keys if (key := self._agreed(model)) is not None), None)
        return self._vote(keys) if agreed is None else Majority(agreed, self.n, self.n)

    def _by_model(self, ballots: Sequence[Ballot]) -> list[list[str | None]]:
        """Return the keys of each model's samples, in order of their indices."""
        places = range(len(self.model_uris))
        return [keys_of([b for b in ballots if b.sample.index // self.n == place]) for place in places]

    def _agreed(self, keys: Sequence[str | None]) -> str | None:
        """Return what all samples of a model say, once all of them are there."""
        return unanimous(keys) if len(keys) == self.n else None

    def _vote(self, keys: Sequence[Sequence[str | None]]) -> Election | None:
        return model_switch_vote(keys, external_weights=self.external_weights or None)


def require_models(model_uris: Sequence[str | None]) -> None:
    """Refuse an empty list of models.

    Raises:
        ValueError: it is empty.
    """
    if not model_uris:
        raise ValueError("model_uris must name a model, null for the one that samples; got none")
