"""Training questions as the roles need them: the wording, and the numbers behind it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ttscale.reference.problems import (
    TRAINING_SEEDS_PER_RUN,
    Parameters,
    make_dataset,
    problem_key,
    solve_entry,
    training_seed_range,
)

if TYPE_CHECKING:
    from ttscale.reference.problems import Entry


@dataclass(frozen=True, slots=True)
class Question:
    """A question of reasoning-gym and what it was made from.

    Attributes:
        name: The reasoning-gym data set.
        text: The question as the model is asked it.
        key: What identifies the problem whatever its wording, see `problem_key`.
        metadata: The numbers behind it, as reasoning-gym gives them.
    """

    name: str
    text: str
    key: str
    metadata: Mapping[str, object]

    @property
    def countdown(self) -> tuple[int, tuple[int, ...]]:
        """The target and the numbers of a countdown."""
        return cast("int", self.metadata["target"]), tuple(cast("Sequence[int]", self.metadata["numbers"]))

    @property
    def expression(self) -> str:
        """The expression of a chain sum, spaces around its operators."""
        return cast("str", self.metadata["expression"])

    @property
    def animals(self) -> Mapping[str, int]:
        """The animals of a leg counting, each with its number."""
        return cast("Mapping[str, int]", self.metadata["animals"])


def asked(name: str, entry: Entry) -> Question:
    """Return an entry's question as reasoning-gym words it, without space at its ends."""
    metadata = cast("Mapping[str, object]", entry["metadata"])
    return Question(name, str(entry["question"]).strip(), problem_key(name, entry), metadata)


def training_questions(configs: Mapping[str, Sequence[Parameters]], run_seed: int) -> Iterator[Question]:
    """Yield the questions of a training run, worded as the solver's are; the same ones for the same arguments.

    Args:
        configs: The parameters to draw from, by data set; sets, and those of one set, are drawn equally often.
        run_seed: The training run, 0 or more; runs use generator seeds of their own.

    Raises:
        ValueError: If `run_seed` is negative.
    """
    first = training_seed_range(run_seed).start
    datasets = [
        (name, [make_dataset(name, config, seed=first, size=TRAINING_SEEDS_PER_RUN) for config in choices])
        for name, choices in configs.items()
    ]
    for index in range(TRAINING_SEEDS_PER_RUN):
        rng = random.Random(f"role {first + index}")
        name, choices = rng.choice(datasets)
        entry = rng.choice(choices)[index]
        problem = solve_entry(name, first + index, entry, rng)
        if problem is not None:
            metadata = cast("Mapping[str, object]", entry["metadata"])
            yield Question(name, problem.question, problem.key, metadata)
