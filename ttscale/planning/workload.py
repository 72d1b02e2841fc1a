"""What a strategy is going to work on, as far as its cost depends on it: lengths, steps, and who agrees."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final

from ttscale.errors import ConfigError
from ttscale.planning.lengths import lognormal_lengths

_RIGHT: Final = 1
_NUM_DRAWS: Final = 1000
_NUM_QUESTIONS: Final = 24


@dataclass(frozen=True, slots=True)
class Step:
    """A line of an answer."""

    num_tokens: int
    """Its end of line included, >= 1."""
    mark: int
    """Equal within a question where the words are equal."""


@dataclass(frozen=True, slots=True)
class Draw:
    """One answer that the model gave, or may give."""

    steps: tuple[Step, ...]
    """At least one."""
    answer: int | None
    """Equal where the answers are equal, >= 1; ``None``: none."""
    is_right: bool = False
    is_cut: bool = False
    """Whether it was cut at its most tokens."""

    @property
    def num_tokens(self) -> int:
        """Generated tokens."""
        return sum(step.num_tokens for step in self.steps)

    def scaled(self, num_tokens: int) -> Draw:
        """Return the same answer in other words, about so many tokens long: each step has one at least."""
        times = num_tokens / self.num_tokens
        steps = tuple(Step(max(1, round(step.num_tokens * times)), step.mark) for step in self.steps)
        return replace(self, steps=steps)


@dataclass(frozen=True, slots=True)
class Question:
    """One question."""

    prompt_tokens: int
    """>= 1."""
    draws: tuple[Draw, ...]
    """At least one."""
    is_graded: bool
    """Whether it is known which draws are right."""

    @property
    def num_right(self) -> int:
        """Draws that are right."""
        return sum(draw.is_right for draw in self.draws)

    @property
    def middle_tokens(self) -> float:
        """Geometric mean of the draws' lengths."""
        return math.exp(math.fsum(math.log(draw.num_tokens) for draw in self.draws) / len(self.draws))

    @property
    def target(self) -> str | None:
        """A right answer, the one given most often; ``"0"``, which is no answer, where none is right.

        ``None``: it is not known which draws are right.
        """
        if not self.is_graded:
            return None
        right = Counter(draw.answer for draw in self.draws if draw.is_right)
        return str(right.most_common(1)[0][0]) if right else "0"


@dataclass(frozen=True)
class Workload:
    """Questions like those to come.

    Raises:
        ConfigError: there are none, or one has no draws.
    """

    questions: tuple[Question, ...]
    origin: str
    """Where the numbers come from, for the reader."""
    assumptions: tuple[str, ...] = field(default=())
    agreement_is_known: bool = True
    """Whether the draws tell how often answers agree."""
    are_draws_measured: bool = True
    """Whether each draw was one sample, so that no more are known than there are."""

    def __post_init__(self) -> None:
        if not self.questions or any(not question.draws for question in self.questions):
            raise ConfigError(
                f"{self.origin} holds no whole sample to plan from; draw some, or say --prompt-tokens and "
                f"--answer-tokens."
            )

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """Tokens of all draws, sorted."""
        return tuple(sorted(draw.num_tokens for question in self.questions for draw in question.draws))

    @cached_property
    def spreads(self) -> tuple[float, ...]:
        """How many times as long as the others of its question a draw is, of every draw of any question.

        Its length over their geometric mean, raised to the power √(m / (m - 1)) of the m draws of the question,
        as these have part in that mean. Empty where no question has two draws.
        """
        found = list[float]()
        for question in self.questions:
            num = len(question.draws)
            middle = question.middle_tokens
            power = math.sqrt(num / (num - 1)) if num > 1 else 0.0
            found += [(draw.num_tokens / middle) ** power for draw in question.draws if num > 1]
        return tuple(found)

    @property
    def mean_prompt_tokens(self) -> float:
        """Over questions."""
        return math.fsum(question.prompt_tokens for question in self.questions) / len(self.questions)

    @property
    def mean_answer_tokens(self) -> float:
        """Over questions, each counting the same."""
        means = [
            math.fsum(draw.num_tokens for draw in question.draws) / len(question.draws)
            for question in self.questions
        ]
        return math.fsum(means) / len(means)

    @property
    def p95_answer_tokens(self) -> int:
        """Least length that 95 % of all draws do not exceed."""
        return self.lengths[math.ceil(0.95 * len(self.lengths)) - 1]

    @property
    def accuracy(self) -> float | None:
        """Mean share of right draws over the questions; ``None``: of some it is not known."""
        if not all(question.is_graded for question in self.questions):
            return None
        shares = [question.num_right / len(question.draws) for question in self.questions]
        return math.fsum(shares) / len(shares)

    @property
    def min_draws(self) -> int:
        """Draws of the question that has fewest."""
        return min(len(question.draws) for question in self.questions)


def described_workload(
    *,
    prompt_tokens: int,
    answer_tokens: float,
    answer_p95: float | None = None,
    accuracy: float | None = None,
    num_wrong_answers: int | None = None,
    num_steps: int = 1,
    seed: int = 0,
) -> Workload:
    """Return a workload from a few numbers.

    Args:
        prompt_tokens: of every question, >= 1.
        answer_tokens: mean of an answer, >= 1.
        answer_p95: its 95th percentile, of a lognormal; ``None``: all answers are equally long.
        accuracy: chance that a sample is right, in [0, 1]; ``None``: unknown, and so is who agrees.
        num_wrong_answers: wrong answers there are, all equally likely, >= 1; ``None``: no two are the same.
        num_steps: lines of an answer, equally long, >= 1.
        seed: of who is right.

    Raises:
        ConfigError: a number is out of its range.
    """
    if prompt_tokens < 1:
        raise ConfigError(f"a prompt has at least 1 token, got {prompt_tokens!r}.")
    if accuracy is not None and not 0 <= accuracy <= 1:
        raise ConfigError(f"the accuracy must lie in [0, 1], got {accuracy!r}; 0.6 is 60 %.")
    if num_wrong_answers is not None and num_wrong_answers < 1:
        raise ConfigError(f"there is at least 1 wrong answer, got {num_wrong_answers!r}.")
    if not 1 <= num_steps <= answer_tokens:
        raise ConfigError(f"an answer of {answer_tokens:g} tokens has 1 to that many steps, got {num_steps!r}.")
    try:
        lengths = lognormal_lengths(answer_tokens, answer_p95 or answer_tokens, _NUM_DRAWS)
    except ValueError as error:
        raise ConfigError(f"the length of answers: {error}.") from error
    answers = _answers(accuracy, num_wrong_answers, random.Random(seed))
    draws = tuple(
        Draw(
            _even_steps(length, num_steps, place * num_steps), answer, answer == _RIGHT and accuracy is not None
        )
        for place, (length, answer) in enumerate(zip(lengths, answers, strict=True))
    )
    question = Question(prompt_tokens, draws, is_graded=accuracy is not None)
    return Workload(
        (question,) * _NUM_QUESTIONS,
        origin="the numbers given",
        assumptions=_assumptions(answer_p95, accuracy, num_wrong_answers),
        agreement_is_known=accuracy is not None,
        are_draws_measured=False,
    )


def _answers(accuracy: float | None, num_wrong: int | None, rng: random.Random) -> list[int]:
    num_right = 0 if accuracy is None else round(accuracy * _NUM_DRAWS)
    wrong = [
        _RIGHT + 1 + (place % num_wrong if num_wrong else place) for place in range(_NUM_DRAWS - num_right)
    ]
    answers = [_RIGHT] * num_right + wrong
    rng.shuffle(answers)
    return answers


def _even_steps(num_tokens: int, num_steps: int, first_mark: int) -> tuple[Step, ...]:
    number = min(num_steps, num_tokens)
    ends = [num_tokens * place // number for place in range(number + 1)]
    return tuple(Step(ends[place + 1] - ends[place], first_mark + place) for place in range(number))


def _assumptions(p95: float | None, accuracy: float | None, num_wrong: int | None) -> tuple[str, ...]:
    found = ["All prompts are equally long."]
    if p95 is None:
        found.append("All answers are equally long, so that the longest of several is no longer than the mean.")
    else:
        found.append("Lengths of answers are lognormal, and have nothing to do with who is right.")
    if accuracy is None:
        found.append("No two answers agree, since the accuracy is not known.")
    else:
        wrong = "no two wrong answers are the same" if num_wrong is None else f"of {num_wrong} wrong ones"
        found.append(f"All questions are equally hard; answers are right at {accuracy:.0%}, {wrong}.")
    return tuple(found)


def whole_draws(
    draws: Sequence[tuple[Sequence[tuple[str, int]], str | None, bool]], right: Set[str]
) -> tuple[Draw, ...]:
    """Return measured answers as draws.

    Args:
        draws: of each its lines with their tokens, its answer's key, whether it was cut.
        right: keys of right answers.
    """
    marks: dict[tuple[str, int], int] = {}
    answers: dict[str, int] = {}
    found = list[Draw]()
    for lines, key, is_cut in draws:
        steps = tuple(Step(size, marks.setdefault((text, size), len(marks))) for text, size in lines)
        answer = None if key is None else answers.setdefault(key, len(answers) + 1)
        found.append(Draw(steps, answer, key in right, is_cut))
    return tuple(found)
