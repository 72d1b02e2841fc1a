"""The strategy contract: a frozen dataclass whose `solve` spends a run's budget on one problem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from ttscale.types import Outcome, Problem
from ttscale.verifier import Verifier

if TYPE_CHECKING:
    from ttscale.run import Run


@runtime_checkable
class Strategy(Protocol):
    """How to spend test-time compute on one problem.

    A strategy is a frozen keyword-only dataclass: its fields are its configuration. Its docstring opens with
    the paper, states the expected cost as a formula, and says where it departs from the paper.
    """

    needs: ClassVar[frozenset[str]]
    """Names of the `Capabilities` fields it needs of the model, beside those its verifier needs; ``"a or b"``
    where either will do."""

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Answer the problem, in the form in which it is handed over, which is also that of ``run.problem``.

        Whoever has another strategy answer it in another form opens ``run.child(problem=…)`` for it.

        `run` fills in usage, latency and trace of the outcome; the strategy says answer, confidence,
        candidates and stop reason. `BudgetExhausted` may be let through: the answer given last to `Run.best`
        is then returned with stop reason ``"budget"``.
        """
        ...

    def max_samples(self) -> int | None:
        """Return the most samples one `solve` starts, sub-strategies' included; ``None``: no bound is known.

        This is the declared cost law; `ttscale.testing.check_strategy` holds it against what is observed.
        """
        ...


@runtime_checkable
class UsesModels(Protocol):
    """A strategy or verifier that uses other models than the one that samples: ``run.child(model=…)``."""

    @property
    def models(self) -> Mapping[str | None, frozenset[str]]:
        """What it needs of each, as `needs` says it, by the model's URI; ``None``: of the model that samples.

        They are started, and their capabilities checked, before anything is spent.
        """
        ...


def demands(part: Strategy | Verifier) -> Mapping[str | None, frozenset[str]]:
    """Return what one strategy or verifier, without what is nested in it, needs of each model it uses."""
    others = part.models if isinstance(part, UsesModels) else {}
    return {**others, None: part.needs | others.get(None, frozenset())}


def takes_turns(strategy: Strategy) -> bool:
    """Whether a strategy, or one nested in it, bids for its turns (`Run.bidder`), and says so: ``takes_turns``.

    Questions that share a budget must all be begun at once for such a strategy: who is not there cannot bid.
    """
    return any(getattr(part, "takes_turns", False) for part in parts(strategy))


def parts(plugin: object, *, on_own_model: bool = False) -> Iterator[Strategy | Verifier]:
    """Yield a strategy or verifier and every one nested in its fields; nothing for another object.

    Args:
        plugin: what may be one.
        on_own_model: leave out what is nested where `elsewhere`, a class variable, says that it runs on models
            which the plugin chooses, and answers for in its `models`.
    """
    if plugin is None or isinstance(plugin, str | int | float):  # most fields; the next question costs more
        return
    if isinstance(plugin, Strategy | Verifier):
        yield plugin
        left_out: frozenset[str] = getattr(plugin, "elsewhere", frozenset()) if on_own_model else frozenset()
        if is_dataclass(plugin):
            for name in (field.name for field in fields(plugin) if field.name not in left_out):
                value = getattr(plugin, name)
                for item in value if isinstance(value, tuple) else (value,):
                    yield from parts(item, on_own_model=on_own_model)
