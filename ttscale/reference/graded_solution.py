"""Solutions as a process reward model reads them: a step token ends each step, where its grade is learnt.

Within a step grades are learnt too that nobody asks for later: they say where a mistake is made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ttscale.reference.roles.steps import Grades
from ttscale.reference.tokenizer import ASSISTANT, BEGIN, END, NO_TARGET, USER
from ttscale.registry import load_template
from ttscale.template import RIGHT

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    from ttscale.reference.conversation import Conversation

STEP_TOKEN = "<extra_0>"  # noqa: S105  # no secret
"""The special token that ends a step, called as in Qwen2.5-Math-PRM (Zhang et al. 2025, arXiv:2501.07301)."""


@dataclass(frozen=True, slots=True)
class GradedSolution:
    """A solution and what each of its steps is worth.

    Attributes:
        question: The question it solves.
        steps: Its steps, one or more, without white space around.
        signs: Whether each step is right; as many as steps.
        grades: What is learnt within each step.
    """

    question: str
    steps: tuple[str, ...]
    signs: tuple[bool, ...]
    grades: tuple[Grades, ...]


def graded_solution(conversation: Conversation) -> GradedSolution | None:
    """Read back the solution that the role `judge` judges step by step in a conversation.

    Returns:
        None if the conversation is about a whole solution.
    """
    given = [turn for turn in conversation.turns if turn.role == "user"]
    if any(phrase in given[0].text for phrase in load_template("judge_answer").phrases):
        return None
    separator = load_template("judge_steps").render(question="", step="").messages[0].content
    question, _, first_step = given[0].text.rpartition(separator)
    steps = (first_step, *(turn.text for turn in given[1:]))
    begins = [len(turn.text) - len(step) for turn, step in zip(given, steps, strict=True)]
    grades = tuple(
        tuple((place - begin, said) for place, said in turn.grades)
        for turn, begin in zip(given, begins, strict=True)
    )
    signs = tuple(turn.target == RIGHT for turn in conversation.turns if turn.role == "assistant")
    return GradedSolution(question, steps, signs, grades)


def encode_graded(tokenizer: Tokenizer, solution: GradedSolution) -> tuple[list[int], list[int]]:
    """Encode a solution exactly as the chat template renders question and answer to a reward model.

    Args:
        tokenizer: Its vocabulary has `STEP_TOKEN`.
        solution: The solution.

    Returns:
        The token ids, and for each what it is learnt to be, 1 for right, 0 for wrong, or `NO_TARGET`: whether
        the step that it ends is right, or the solution up to there. Of equal length.

    Raises:
        ValueError: The vocabulary lacks the step token, or the question has it.
    """
    steps = [step.replace(STEP_TOKEN, "") for step in solution.steps]
    opening = "".join((BEGIN, USER, solution.question.strip(), ASSISTANT))
    text = "".join((opening, *(step + STEP_TOKEN for step in steps), END))
    encoded, step_id = tokenizer.encode(text, add_special_tokens=False), tokenizer.token_to_id(STEP_TOKEN)
    ends = [place for place, token in enumerate(encoded.ids) if token == step_id]
    if len(ends) != len(solution.signs):
        raise ValueError(
            f"{len(solution.signs)} steps have {len(ends)} step tokens; the vocabulary needs {STEP_TOKEN!r}, "
            "and the question must not contain it."
        )
    targets, begin = [NO_TARGET] * len(encoded.ids), len(opening)
    for step, end, sign, within in zip(steps, ends, solution.signs, solution.grades, strict=True):
        targets[end] = int(sign)
        for place, said in within:
            token = encoded.char_to_token(begin + place)
            if token is not None and token < end:  # places move where a step had a step token in it
                targets[token] = int(said == RIGHT)
        begin += len(step) + len(STEP_TOKEN)
    return list(encoded.ids), targets


def encode_steps(tokenizer: Tokenizer, conversation: Conversation) -> tuple[list[int], list[int]] | None:
    """Encode what a conversation of the role `judge` teaches about steps; None: it is not about steps."""
    solution = graded_solution(conversation)
    return None if solution is None else encode_graded(tokenizer, solution)
