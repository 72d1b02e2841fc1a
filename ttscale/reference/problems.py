"""Training problems for `abacus`: reasoning-gym questions with worked solutions of our own.

Every problem comes from `reasoning-gym`, whose item *i* of a data set with seed *s* is drawn from a generator
seeded with *s + i*. Evaluation owns the generator seeds below `TRAINING_SEED_START`, training those from there,
so no problem is drawn twice from one seed. Two seeds can still give the same problem by chance: `held_out_keys`
lists the evaluation problems themselves, and every training problem whose key is among them is dropped.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ttscale.grammars.operations import apply_operator

if TYPE_CHECKING:
    from reasoning_gym.dataset import ProceduralDataset

Parameters = Mapping[str, int]
Entry = Mapping[str, object]

TRAINING_SEED_START = 1_000_000_000
"""First generator seed that training may use; evaluation uses seeds below it."""

TRAINING_SEEDS_PER_RUN = 100_000_000
"""Number of generator seeds set aside for each training run (`--seed 0`, `--seed 1`, ...)."""

HELD_OUT_SEEDS = range(0, 1200)
"""Generator seeds whose evaluation problems are kept out of training by text as well as by seed."""

TRAINING_CONFIGS: Mapping[str, tuple[Parameters, ...]] = {
    "chain_sum": (
        {"min_terms": 2, "max_terms": 6, "min_digits": 1, "max_digits": 2},
        {"min_terms": 2, "max_terms": 6, "min_digits": 2, "max_digits": 2},
        {"min_terms": 4, "max_terms": 8, "min_digits": 2, "max_digits": 2},
    ),
    "countdown": ({"min_numbers": 3, "max_numbers": 4},),
    "leg_counting": (
        {"min_animals": 1, "max_animals": 5, "min_instances": 1, "max_instances": 15},
        {"min_animals": 2, "max_animals": 10, "min_instances": 1, "max_instances": 15},
    ),
}
"""The reasoning-gym parameters of the training problems; those of one set are drawn equally often."""

HELD_OUT_CONFIGS: Mapping[str, tuple[Parameters, ...]] = {
    "chain_sum": (
        {"min_terms": 3, "max_terms": 5, "min_digits": 2, "max_digits": 2},
        {"min_terms": 4, "max_terms": 6, "min_digits": 2, "max_digits": 2},
        {"min_terms": 5, "max_terms": 7, "min_digits": 2, "max_digits": 2},
        {"min_terms": 6, "max_terms": 8, "min_digits": 2, "max_digits": 2},
    ),
    "countdown": (
        {"min_numbers": 3, "max_numbers": 3},
        {"min_numbers": 3, "max_numbers": 4},
        {"min_numbers": 4, "max_numbers": 4},
    ),
    "leg_counting": (
        {"min_animals": 3, "max_animals": 6, "min_instances": 1, "max_instances": 15},
        {"min_animals": 3, "max_animals": 10, "min_instances": 1, "max_instances": 15},
    ),
}
"""Difficulties a held-out evaluation may use; `EVALUATION_CONFIGS` names the one that is used of each set."""

EVALUATION_CONFIGS: Mapping[str, Parameters] = {
    "chain_sum": {"min_terms": 6, "max_terms": 8, "min_digits": 2, "max_digits": 2},
    "countdown": {"min_numbers": 3, "max_numbers": 3},
    "leg_counting": {"min_animals": 3, "max_animals": 10, "min_instances": 1, "max_instances": 15},
}
"""The reasoning-gym parameters on which `abacus` is evaluated, by data set."""

TRAINING_SHARES: Mapping[str, float] = {"chain_sum": 0.5, "countdown": 0.35, "leg_counting": 0.15}
"""The share of each data set in the training problems; they sum to one."""

SHORT_SHARE = 0.6
"""Share of training questions asked in a short form, without reasoning-gym's instructions."""

HINT_SHARE = 0.1
"""Share of training questions that carry a general instruction after the question."""

_HINTS = (
    "Put the final answer in \\boxed{}.",
    "Please reason step by step, and put your final answer within \\boxed{}.",
    "Show your steps, one a line, and give the answer in \\boxed{}.",
    "Think step by step.",
)
_CHAIN_SHORT = ("{} =", "What is {}?", "Calculate {}.", "Compute {}.")


@dataclass(frozen=True)
class Problem:
    """A question with a worked solution that reasoning-gym's own checker scores 1.

    Attributes:
        name: The reasoning-gym data set.
        seed: The seed of the generator the problem was drawn from.
        question: The question as the model is asked it.
        steps: The worked steps, one a line.
        answer: The final answer, the content of the box.
        key: What identifies the problem whatever its wording.
    """

    name: str
    seed: int
    question: str
    steps: tuple[str, ...]
    answer: str
    key: str

    @property
    def solution(self) -> str:
        """The text the model learns to write: the steps, then the boxed answer."""
        return "\n".join((*self.steps, f"\\boxed{{{self.answer}}}"))


@dataclass(frozen=True)
class _Move:
    """One line of a countdown solution: the running value, an operator and the next number."""

    operator: str
    number: int


def make_dataset(name: str, parameters: Parameters, *, seed: int, size: int) -> ProceduralDataset:
    """Create a reasoning-gym data set.

    Args:
        name: One of the keys of `EVALUATION_CONFIGS`.
        parameters: The parameters of reasoning-gym's configuration for that set.
        seed: The seed of item 0; item *i* is drawn from `seed + i`.
        size: Number of items, at least 1.
    """
    import reasoning_gym

    return reasoning_gym.create_dataset(name, seed=seed, size=size, **parameters)


def problem_key(name: str, entry: Entry) -> str:
    """Identify a problem whatever its wording and the order in which a countdown lists its numbers."""
    metadata = _metadata(entry)
    if name == "chain_sum":
        return f"chain_sum {metadata['expression']}"
    if name == "countdown":
        numbers = sorted(cast("list[int]", metadata["numbers"]))
        return f"countdown {metadata['target']} {numbers}"
    animals = cast("Mapping[str, int]", metadata["animals"])
    return "leg_counting " + ", ".join(f"{count} {animal}" for animal, count in sorted(animals.items()))


@functools.cache
def held_out_keys() -> frozenset[str]:
    """The keys of all problems of `HELD_OUT_CONFIGS` at `HELD_OUT_SEEDS` (takes about a minute)."""
    keys: set[str] = set()
    for name, configs in HELD_OUT_CONFIGS.items():
        for parameters in configs:
            dataset = make_dataset(name, parameters, seed=HELD_OUT_SEEDS.start, size=len(HELD_OUT_SEEDS))
            keys.update(problem_key(name, dataset[index]) for index in range(len(HELD_OUT_SEEDS)))
    return frozenset(keys)


def training_problems(run_seed: int) -> Iterator[Problem]:
    """Yield training problems without end, the same ones for the same `run_seed`.

    Args:
        run_seed: The training run, 0 or more; runs use generator seeds of their own.
    """
    first = training_seed_range(run_seed).start
    datasets = {
        name: [make_dataset(name, config, seed=first, size=TRAINING_SEEDS_PER_RUN) for config in configs]
        for name, configs in TRAINING_CONFIGS.items()
    }
    names, weights = list(TRAINING_SHARES), list(TRAINING_SHARES.values())
    for index in range(TRAINING_SEEDS_PER_RUN):
        rng = random.Random(f"abacus {first + index}")
        name = rng.choices(names, weights)[0]
        problem = solve_entry(name, first + index, rng.choice(datasets[name])[index], rng)
        if problem is not None:
            yield problem


def training_seed_range(run_seed: int) -> range:
    """The generator seeds of a training run; all of them lie at or above `TRAINING_SEED_START`.

    Raises:
        ValueError: If `run_seed` is negative.
    """
    if run_seed < 0:
        raise ValueError(f"The training run's seed is {run_seed!r}; give 0 or more.")
    first = TRAINING_SEED_START + run_seed * TRAINING_SEEDS_PER_RUN
    return range(first, first + TRAINING_SEEDS_PER_RUN)


def solve_entry(name: str, seed: int, entry: Entry, rng: random.Random) -> Problem | None:
    """Write the worked solution of one reasoning-gym entry.

    Args:
        name: The data set of the entry.
        seed: The seed of the generator the entry was drawn from (recorded only).
        entry: The entry as reasoning-gym gives it.
        rng: Chooses the wording and, where there are several, the solution.

    Returns:
        The problem, or None for the rare countdown without a solution in positive whole steps.
    """
    worked = _SOLVERS[name](entry, rng)
    if worked is None:
        return None
    steps, answer = worked
    question = _word_question(name, entry, rng)
    return Problem(name, seed, question, tuple(steps), answer, problem_key(name, entry))


def _metadata(entry: Entry) -> Mapping[str, object]:
    return cast("Mapping[str, object]", entry["metadata"])


def _word_question(name: str, entry: Entry, rng: random.Random) -> str:
    question = str(entry["question"]).strip()
    if rng.random() < SHORT_SHARE:
        question = _shorten(name, question, entry, rng)
    if rng.random() < HINT_SHARE:
        question += rng.choice((" ", "\n", "\n\n")) + rng.choice(_HINTS)
    return question


def _shorten(name: str, question: str, entry: Entry, rng: random.Random) -> str:
    if name == "chain_sum":
        return rng.choice(_CHAIN_SHORT).format(_metadata(entry)["expression"])
    if name == "countdown":
        return question.split("\n", 1)[0]
    return "H" + question.rsplit("Now, h", 1)[-1]


def _solve_chain_sum(entry: Entry, rng: random.Random) -> tuple[list[str], str]:
    del rng
    terms = str(_metadata(entry)["expression"]).split(" ")
    total, steps = int(terms[0]), list[str]()
    for operator, number in zip(terms[1::2], terms[2::2], strict=True):
        value = total + int(number) if operator == "+" else total - int(number)
        steps.append(f"{total}{operator}{number}={value}")
        total = value
    return steps, str(total)


def _solve_leg_counting(entry: Entry, rng: random.Random) -> tuple[list[str], str]:
    del rng
    from reasoning_gym.arithmetic.leg_counting import ANIMALS

    total, steps = 0, list[str]()
    for animal, count in cast("Mapping[str, int]", _metadata(entry)["animals"]).items():
        legs = count * ANIMALS[animal]
        product = f"{count}*{ANIMALS[animal]}"
        steps.append(f"{total}+{product}={total}+{legs}={total + legs}" if steps else f"{product}={legs}")
        total += legs
    return steps, str(total)


def _solve_countdown(entry: Entry, rng: random.Random) -> tuple[list[str], str] | None:
    metadata = _metadata(entry)
    numbers = tuple(sorted(cast("list[int]", metadata["numbers"])))
    solutions = list(countdown_solutions(numbers, cast("int", metadata["target"])))
    if not solutions:
        return None
    start, moves = rng.choice(solutions)
    value, expression, loose, steps = start, str(start), False, list[str]()
    for move in moves:
        result = apply_operator(value, move.operator, move.number)
        steps.append(f"{value}{move.operator}{move.number}={result}")
        if loose and move.operator in "*/":
            expression = f"({expression})"
        expression += f"{move.operator}{move.number}"
        value, loose = cast("int", result), move.operator in "+-"
    return steps, expression


def countdown_solutions(numbers: tuple[int, ...], target: int) -> Iterator[tuple[int, tuple[_Move, ...]]]:
    """Find the ways to reach a target by applying one number after another to a running value.

    All numbers are used, every running value is a positive whole number, and of the orders that only swap
    neighbouring additions and subtractions (or multiplications and divisions) one is kept: `+` before `-`,
    `*` before `/`, larger numbers first.

    Args:
        numbers: The numbers, in increasing order; up to five are searched in a few milliseconds.
        target: The value to reach.

    Yields:
        The first number and the moves that follow it.
    """
    for index, start in enumerate(numbers):
        if index and numbers[index - 1] == start:
            continue
        rest = numbers[:index] + numbers[index + 1 :]
        yield from ((start, moves) for moves in _search(start, rest, target, (), start))


def _search(
    value: int, rest: tuple[int, ...], target: int, moves: tuple[_Move, ...], start: int
) -> Iterator[tuple[_Move, ...]]:
    if not rest:
        if value == target:
            yield moves
        return
    for index, number in enumerate(rest):
        if index and rest[index - 1] == number:
            continue
        for operator in "+-*/":
            move = _Move(operator, number)
            result = apply_operator(value, operator, number)
            if result is not None and _in_order(moves[-1] if moves else None, move, start):
                remaining = rest[:index] + rest[index + 1 :]
                yield from _search(result, remaining, target, (*moves, move), start)


def _in_order(last: _Move | None, move: _Move, start: int) -> bool:
    if last is None:
        return move.operator in "-/" or move.number <= start
    if last.operator == move.operator:
        return move.number <= last.number
    return (last.operator, move.operator) not in (("-", "+"), ("/", "*"))


_SOLVERS = {
    "chain_sum": _solve_chain_sum,
    "countdown": _solve_countdown,
    "leg_counting": _solve_leg_counting,
}
