"""Sample attempts to learn from: `python -m ttscale.reference.attempts --questions 5000 --out FILE`.

The problems are drawn from generator seeds of a training run of their own, and those held out for evaluation
are left out. One line of JSON is written a problem; a file that was cut short is continued when the command is
given again with the same arguments.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from ttscale.errors import ConfigError
from ttscale.reference import ABACUS_PATH
from ttscale.reference.problems import Problem, held_out_keys, training_problems
from ttscale.reference.roles.attempts import Attempts, read_attempts, to_line
from ttscale.reference.samplers import ENGINES, Sampler, load_sampler

FIRST_RUN_SEED = 50
"""First training run whose problems are for attempts; the runs before it are for solving."""

_CHUNK_QUESTIONS = 64


def sample_attempts(
    sampler: Sampler, problems: Iterable[Problem], *, num_samples: int, first_index: int = 0
) -> Iterator[list[Attempts]]:
    """Yield attempts at all problems, a chunk of problems at a time.

    Args:
        sampler: The model.
        problems: The problems.
        num_samples: Attempts a problem.
        first_index: Number of problems that were done before these: it seeds the sampling.
    """
    stream = iter(problems)
    while chunk := list(itertools.islice(stream, _CHUNK_QUESTIONS)):
        questions = [problem.question for problem in chunk]
        texts = sampler.sample(questions, num_samples=num_samples, seed=first_index)
        first_index += len(chunk)
        yield [Attempts.of(problem, group) for problem, group in zip(chunk, texts, strict=True)]


def write_attempts(
    path: Path,
    sampler: Sampler,
    problems: Iterable[Problem],
    *,
    num_questions: int,
    num_samples: int,
    held_out: Collection[str],
) -> Iterator[int]:
    """Write attempts at the first problems that are not held out, going on after those in the file.

    Args:
        path: The file of attempts; written to after every chunk.
        sampler: The model.
        problems: The problems, always the same ones for the same file.
        num_questions: Number of problems in the file in the end.
        num_samples: Attempts a problem.
        held_out: The keys of problems that are left out.

    Yields:
        The number of problems in the file, after every chunk.

    Raises:
        ConfigError: The file holds other problems than these.
        DataError: A line of the file is broken.
    """
    wanted = itertools.islice((one for one in problems if one.key not in held_out), num_questions)
    done = read_attempts(path) if path.exists() else []
    for before, problem in zip(done, wanted, strict=False):
        if (before.key, before.seed) != (problem.key, problem.seed):
            raise ConfigError(
                f"{str(path)!r} has {before.key!r} where {problem.key!r} is wanted; "
                "give the arguments it was begun with, or another file."
            )
    num_done = len(done)
    with path.open("a", encoding="utf-8") as file:
        for chunk in sample_attempts(sampler, wanted, num_samples=num_samples, first_index=num_done):
            file.writelines(f"{to_line(attempts)}\n" for attempts in chunk)
            file.flush()
            num_done += len(chunk)
            yield num_done


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Sample attempts at training problems, right and wrong.")
    parser.add_argument("--out", type=Path, required=True, help="file of attempts, continued if it is there")
    parser.add_argument("--questions", type=int, default=5000, help="problems (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=8, help="attempts a problem (default: %(default)s)")
    parser.add_argument(
        "--seed", type=int, default=FIRST_RUN_SEED, help="training run of the problems (default: %(default)s)"
    )
    parser.add_argument(
        "--model", type=Path, default=ABACUS_PATH, help="model directory (default: the one shipped)"
    )
    parser.add_argument("--temperature", type=float, help="sampling temperature (default: the model's)")
    parser.add_argument("--engine", choices=ENGINES, default="transformers", help="(default: %(default)s)")
    options = parser.parse_args(arguments)
    if options.seed < FIRST_RUN_SEED:
        parser.error(f"the runs below {FIRST_RUN_SEED} are for solving; give --seed {FIRST_RUN_SEED} or more")
    if min(options.questions, options.samples) < 1:
        parser.error("--questions and --samples must be 1 or more")
    progress = write_attempts(
        options.out,
        load_sampler(options.engine, options.model, temperature=options.temperature),
        training_problems(options.seed),
        num_questions=options.questions,
        num_samples=options.samples,
        held_out=held_out_keys(),
    )
    for num_done in progress:
        sys.stdout.write(f"{num_done} of {options.questions} problems\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
