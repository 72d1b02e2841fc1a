"""Attempts: what `abacus` itself wrote for training problems, from which it learns to judge and revise."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from ttscale.errors import DataError
from ttscale.reference.problems import TRAINING_SEED_START, problem_key, solve_entry

if TYPE_CHECKING:
    from ttscale.reference.problems import Entry, Problem

_COUNT = re.compile(r"([0-9]+) ([a-z ]+)")


@dataclass(frozen=True, slots=True)
class Attempts:
    """A problem and the solutions that were sampled for it, right and wrong.

    Attributes:
        name: The reasoning-gym data set.
        seed: The seed of the generator the problem was drawn from.
        question: The question as the model was asked it.
        key: What identifies the problem whatever its wording, see `problem_key`.
        texts: The solutions, as sampled.
    """

    name: str
    seed: int
    question: str
    key: str
    texts: tuple[str, ...]

    @classmethod
    def of(cls, problem: Problem, texts: Iterable[str] = ()) -> Self:
        """Return a problem with what was sampled for it."""
        return cls(problem.name, problem.seed, problem.question, problem.key, tuple(texts))

    @property
    def entry(self) -> Entry:
        """Question and metadata as reasoning-gym gives them, read back from key and question.

        A countdown lists its numbers in increasing order here.

        Raises:
            ValueError: The data set is none of those that can be read back.
        """
        _, _, rest = self.key.partition(" ")
        return {"question": self.question, "metadata": _metadata(self.name, rest, self.question)}


def _metadata(name: str, rest: str, question: str) -> Mapping[str, object]:
    if name == "chain_sum":
        return {"expression": rest}
    if name == "countdown":
        target, _, numbers = rest.partition(" ")
        return {"target": int(target), "numbers": json.loads(numbers)}
    if name == "leg_counting":
        _, _, listed = question.rpartition("if you have ")
        found = [(int(count), words) for count, words in _COUNT.findall(listed.partition("?")[0])]
        return {"animals": {words[:-1] if count > 1 else words: count for count, words in found}}
    raise ValueError(f"The problems of {name!r} cannot be read back; use chain_sum, countdown or leg_counting.")


def worked_solution(attempts: Attempts, rng: random.Random) -> str | None:
    """Return a worked solution of the problem, or None for a countdown without one.

    Args:
        attempts: The problem.
        rng: Chooses among several solutions.
    """
    problem = solve_entry(attempts.name, attempts.seed, attempts.entry, rng)
    return None if problem is None else problem.solution


def to_line(attempts: Attempts) -> str:
    """Return the line of JSON that `read_attempts` reads, without its line end."""
    return json.dumps(asdict(attempts))


def read_attempts(path: Path, *, held_out: bool = False) -> list[Attempts]:
    """Read a file of attempts, one problem a line.

    Args:
        path: A file of lines `{"name", "seed", "question", "key", "texts"}`.
        held_out: Whether held-out problems may be among them: for evaluation, never for training.

    Raises:
        DataError: The file cannot be read, or a line is broken or, unless allowed, a held-out problem.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The attempts in {str(path)!r} cannot be read: {error}.") from error
    return [_read_line(line, f"{path}:{i}", held_out=held_out) for i, line in enumerate(lines, 1) if line]


def _read_line(line: str, place: str, *, held_out: bool) -> Attempts:
    try:
        match json.loads(line):
            case {
                "name": str(name), "seed": int(seed), "question": str(question), "key": str(key),
                "texts": [*texts],
            } if all(isinstance(text, str) for text in texts):  # fmt: skip
                attempts = Attempts(name, seed, question, key, tuple(texts))
            case _:
                raise ValueError('it needs "name", "seed", "question", "key" and a list of "texts"')
        if problem_key(name, attempts.entry) != key:
            raise ValueError(f"the question {question!r} is not that of the key {key!r}")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(f"{place}: this is not a line of attempts: {error}.") from error
    if seed < TRAINING_SEED_START and not held_out:
        raise DataError(f"{place}: the seed {seed} is kept for evaluation; train on seeds of training runs.")
    return attempts


def distinct(texts: Iterable[str], *, max_characters: int) -> list[str]:
    """Return the texts stripped, each once and in their order, without empty and without rambling ones."""
    stripped = dict.fromkeys(text.strip() for text in texts)
    return [text for text in stripped if 0 < len(text) <= max_characters]
