"""Measure `abacus` on held-out problems: `python -m ttscale.reference.evaluate`.

Per data set it prints the share of samples that are right, the share of questions whose majority answer is
right, and the share of questions with at least one right sample, as reasoning-gym's own checkers score them.
"""

from __future__ import annotations

import argparse
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ttscale.reference import ABACUS_PATH
from ttscale.reference.problems import (
    EVALUATION_CONFIGS,
    HELD_OUT_CONFIGS,
    HELD_OUT_SEEDS,
    Parameters,
    make_dataset,
)
from ttscale.reference.samplers import ENGINES, Sampler, load_sampler

_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")


@dataclass(frozen=True)
class Accuracy:
    """The result on one data set, all values shares from 0 to 1.

    Attributes:
        single: Right samples among all samples.
        majority: Questions whose most frequent answer is right (ties: the answer seen first).
        any_right: Questions with at least one right sample.
        mean_tokens: Mean number of tokens a sample has, end token included.
        num_questions: Number of questions behind the shares.
    """

    single: float
    majority: float
    any_right: float
    mean_tokens: float
    num_questions: int


def boxed_answer(text: str) -> str:
    """The content of the last box in a text, or an empty string where there is none."""
    found = _BOXED.findall(text)
    return found[-1].strip() if found else ""


def measure(
    sampler: Sampler, name: str, parameters: Parameters, *, num_questions: int, num_samples: int, seed: int
) -> Accuracy:
    """Measure a model on the first questions of an evaluation set.

    Args:
        sampler: The model.
        name: The reasoning-gym data set.
        parameters: Its parameters.
        num_questions: Number of questions, from evaluation seed `seed` on.
        num_samples: Samples per question.
        seed: Seed of the first question and of the sampling.

    Raises:
        ValueError: If the questions reach beyond the seeds that are kept out of training.
    """
    if seed < HELD_OUT_SEEDS.start or seed + num_questions > HELD_OUT_SEEDS.stop:
        raise ValueError(
            f"Questions {seed} to {seed + num_questions - 1} are not all held out; keep to {HELD_OUT_SEEDS!r}."
        )
    dataset = make_dataset(name, parameters, seed=seed, size=num_questions)
    entries = [dataset[index] for index in range(num_questions)]
    texts = sampler.sample([entry["question"] for entry in entries], num_samples=num_samples, seed=seed)
    rights = majorities = anys = 0
    for entry, group in zip(entries, texts, strict=True):
        answers = [boxed_answer(text) for text in group]
        right = {answer: dataset.score_answer(answer, entry) == 1.0 for answer in set(answers)}
        rights += sum(right[answer] for answer in answers)
        majorities += right[Counter(answers).most_common(1)[0][0]]
        anys += any(right.values())
    lengths = [sampler.count_tokens(text) + 1 for group in texts for text in group]
    return Accuracy(
        rights / (num_questions * num_samples),
        majorities / num_questions,
        anys / num_questions,
        sum(lengths) / len(lengths),
        num_questions,
    )


def half_interval(share: float, num_questions: int) -> float:
    """Half the width of the 95 % interval of a share (normal approximation, questions as the units)."""
    return 1.96 * math.sqrt(share * (1 - share) / num_questions)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Measure abacus on held-out problems.")
    parser.add_argument(
        "--model", type=Path, default=ABACUS_PATH, help="model directory (default: the one shipped)"
    )
    parser.add_argument("--questions", type=int, default=200, help="questions per set (default: %(default)s)")
    parser.add_argument("--samples", type=int, default=16, help="samples per question (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the first question (default: %(default)s)")
    parser.add_argument("--temperature", type=float, help="sampling temperature (default: the model's)")
    parser.add_argument("--engine", choices=ENGINES, default="transformers", help="(default: %(default)s)")
    parser.add_argument("--set", choices=sorted(EVALUATION_CONFIGS), help="measure this data set only")
    parser.add_argument("--every-difficulty", action="store_true", help="measure all held-out configurations")
    options = parser.parse_args(arguments)
    sampler = load_sampler(options.engine, options.model, temperature=options.temperature)
    print(f"{options.questions} questions, {options.samples} samples each, temperature {sampler.temperature}")
    print(f"{'data set':<14}{'single':>9}{'majority':>16}{'any right':>16}{'tokens':>8}  parameters")
    for name, chosen in EVALUATION_CONFIGS.items():
        if options.set not in (None, name):
            continue
        for parameters in HELD_OUT_CONFIGS[name] if options.every_difficulty else (chosen,):
            result = measure(
                sampler,
                name,
                parameters,
                num_questions=options.questions,
                num_samples=options.samples,
                seed=options.seed,
            )
            print(format_row(name, parameters, result), flush=True)


def format_row(name: str, parameters: Parameters, result: Accuracy) -> str:
    """One line of the printed table."""
    shares = "".join(
        f"{share:>9.1%} ±{half_interval(share, result.num_questions):5.1%}"
        for share in (result.majority, result.any_right)
    )
    settings = " ".join(f"{key}={value}" for key, value in parameters.items())
    return f"{name:<14}{result.single:>9.1%}{shares}{result.mean_tokens:>8.0f}  {settings}"


if __name__ == "__main__":
    main()
