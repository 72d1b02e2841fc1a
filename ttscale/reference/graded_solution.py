"""Solutions as a process reward model reads them: a step token ends each step, where its grade is learnt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ttscale.reference.tokenizer import ASSISTANT, BEGIN, END, NO_TARGET, USER, encode_text
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
    """

    question: str
    steps: tuple[str, ...]
    signs: tuple[bool, ...]


def graded_solution(conversation: Conversation) -> GradedSolution | None:
    """Read back the solution that the role `judge` judges step by step in a conversation.

    Returns:
        None if the conversation is about a whole solution.
    """
    given = [turn.text for turn in conversation.turns if turn.role == "user"]
    if any(phrase in given[0] for phrase in load_template("judge_answer").phrases):
        return None
    separator = load_template("judge_steps").render(question="", step="").messages[0].content
    question, _, first_step = given[0].rpartition(separator)
    signs = tuple(turn.target == RIGHT for turn in conversation.turns if turn.role == "assistant")
    return GradedSolution(question, (first_step, *given[1:]), signs)


def encode_graded(tokenizer: Tokenizer, solution: GradedSolution) -> tuple[list[int], list[int]]:
    """Encode a solution exactly as the chat template renders question and answer to a reward model.

    Args:
        tokenizer: Its vocabulary has `STEP_TOKEN`.
        solution: The solution.

    Returns:
        The token ids, and for each the class of the step that it ends, 1 for right and 0 for wrong, or
        `NO_TARGET`; of equal length.

    Raises:
        ValueError: The vocabulary lacks the step token, or the question has it.
    """
    ended = (step.replace(STEP_TOKEN, "") + STEP_TOKEN for step in solution.steps)
    text = "".join((BEGIN, USER, solution.question.strip(), ASSISTANT, *ended, END))
    tokens, step_id = encode_text(tokenizer, text), tokenizer.token_to_id(STEP_TOKEN)
    ends = [place for place, token in enumerate(tokens) if token == step_id]
    if len(ends) != len(solution.signs):
        raise ValueError(
            f"{len(solution.signs)} steps have {len(ends)} step tokens; the vocabulary needs {STEP_TOKEN!r}, "
            "and the question must not contain it."
        )
    targets = [NO_TARGET] * len(tokens)
    for place, sign in zip(ends, solution.signs, strict=True):
        targets[place] = int(sign)
    return tokens, targets


def encode_steps(tokenizer: Tokenizer, conversation: Conversation) -> tuple[list[int], list[int]] | None:
    """Encode what a conversation of the role `judge` teaches about steps; None: it is not about steps."""
    solution = graded_solution(conversation)
    return None if solution is None else encode_graded(tokenizer, solution)
