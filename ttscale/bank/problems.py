"""What the samples of a bank are samples of, as problems that can be asked again."""

from __future__ import annotations

from ttscale.bank.bank import Bank
from ttscale.types import Problem, Prompt


def problems_of(bank: Bank, model: str) -> list[tuple[str, Problem]]:
    """Return the problems of which a bank holds samples from a model, each with its benchmark (empty: none).

    Their prompts are as they were before the model's backend encoded them, where that was noted. Where no
    problems were noted at all, every prompt that is not the continuation of a sample is one, without a target.

    Args:
        bank: the samples.
        model: its fingerprint.
    """
    prompts = {series.prompt: None for series in bank.series(model)}
    sources = {encoded: source for source, encoded in bank.sources(model)}
    noted = [problem for problem in bank.problems() if problem.prompt in prompts]
    if not noted:
        asked = [sources.get(prompt, prompt) for prompt in prompts]
        return [("", Problem(id=prompt.question, prompt=prompt)) for prompt in asked if _asks(prompt)]
    return [
        (
            known.benchmark,
            Problem(id=known.id, prompt=sources.get(known.prompt, known.prompt), target=known.target),
        )
        for known in noted
    ]


def _asks(prompt: Prompt) -> bool:
    """Whether a prompt asks something, and is not the beginning of an answer that was to be continued."""
    return bool(prompt.question) and not (prompt.messages and prompt.messages[-1].role == "assistant")
