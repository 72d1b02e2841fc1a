"""The costs that systems are compared at, per problem."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

from ttscale.errors import ConfigError
from ttscale.types import Outcome
from ttscale_evals.compare.groups import Group
from ttscale_evals.report import formats

AxisName = Literal[
    "tokens",
    "seconds",
    "usd",
    "flops",
    "critical_path",
    "critical_path_seconds",
    "work_seconds",
    "kv_token_steps",
    "distinct_kv_token_steps",
]

AXIS_NAMES: Final[tuple[AxisName, ...]] = get_args(AxisName)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One kind of cost."""

    title: str
    of: Callable[[Outcome], float | None]
    """What one problem cost; ``None``: unknown."""
    text: Callable[[float | None], str]


def _distinct_kv_token_steps(outcome: Outcome) -> float | None:
    sharing = None if outcome.work is None else outcome.work.sharing
    return None if sharing is None else sharing.kv_token_steps


AXES: Final[Mapping[AxisName, Axis]] = {
    "tokens": Axis(title="tokens", of=lambda outcome: outcome.usage.tokens, text=formats.count),
    "seconds": Axis(title="seconds", of=lambda outcome: outcome.seconds, text=formats.seconds),
    "usd": Axis(title="USD", of=lambda outcome: outcome.usage.usd, text=formats.dollars),
    "flops": Axis(title="FLOPs", of=lambda outcome: outcome.usage.flops, text=formats.magnitude),
    "critical_path": Axis(
        title="critical-path tokens", of=lambda outcome: outcome.critical_path_tokens, text=formats.count
    ),
    "critical_path_seconds": Axis(
        title="critical-path seconds",
        of=lambda outcome: outcome.critical_path_seconds,
        text=formats.seconds,
    ),
    "work_seconds": Axis(
        title="seconds in engines",
        of=lambda outcome: None if outcome.work is None else outcome.work.seconds,
        text=formats.seconds,
    ),
    "kv_token_steps": Axis(
        title="KV token-steps",
        of=lambda outcome: None if outcome.work is None else outcome.work.kv_token_steps,
        text=formats.magnitude,
    ),
    "distinct_kv_token_steps": Axis(
        title="KV token-steps, shared prefixes once",
        of=_distinct_kv_token_steps,
        text=formats.magnitude,
    ),
}
_DEFAULT: Final[tuple[AxisName, ...]] = ("tokens", "seconds", "usd", "flops")


def choose_axes(asked: Sequence[str], groups: Sequence[Group]) -> list[AxisName]:
    """Return the axes to compare at.

    Args:
        asked: names; none: tokens and seconds, and dollars and FLOPs where every system knows them.
        groups: what is compared.

    Raises:
        ConfigError: an axis is unknown, or a system does not know its cost on it.
    """
    if not asked:
        return [name for name in _DEFAULT if not _ignorant(name, groups)]
    chosen = list[AxisName]()
    known: Mapping[str, AxisName] = {name: name for name in AXIS_NAMES}
    for word in dict.fromkeys(asked):
        name = known.get(word)
        if name is None:
            raise ConfigError(f"--by {word!r} is unknown; choose among {', '.join(AXIS_NAMES)}.")
        ignorant = _ignorant(name, groups)
        if ignorant:
            raise ConfigError(f"--by {name}: {', '.join(ignorant[:3])} {_mend(name)}")
        chosen.append(name)
    return chosen


def _ignorant(name: AxisName, groups: Sequence[Group]) -> list[str]:
    """Return the labels of systems that do not know what one of their problems cost."""
    return [
        repr(system.label)
        for group in groups
        for system in group.systems
        if any(
            AXES[name].of(answer.outcome) is None
            for problem in group.problem_ids
            for answer in system.answers(problem)
        )
    ]


def _mend(name: AxisName) -> str:
    if name == "usd":
        return (
            "cost unknown dollars; name a price file that has their models with --prices FILE, here or in "
            "`ttscale eval`."
        )
    return f"cost unknown {AXES[name].title}; compare by another axis."
