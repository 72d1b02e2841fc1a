"""Solve many problems at once on one engine, within one budget for all: `python examples/many_questions.py`."""

from __future__ import annotations

import asyncio

import ttscale as tts
from ttscale.strategies import BestOfN

NUMBERS = [(6, 61, 94, 309), (48, 13, 83, 561), (77, 88, 4, 161)]


async def main() -> None:
    """Print one line a question, then the total."""
    questions = [
        f"Calculate {target} using all of these numbers: {a}, {b}, {c}." for a, b, c, target in NUMBERS
    ]
    backend = tts.load_backend("abacus")
    async with (
        tts.Engine(backend, budget=tts.Budget(tokens=20_000)) as engine,
        asyncio.TaskGroup() as group,
    ):
        tasks = [
            group.create_task(engine.solve(question, strategy=BestOfN(n=8), seed=1)) for question in questions
        ]
        for question, task in zip(questions, tasks, strict=True):
            outcome = await task
            print(f"{question}  ->  {outcome.answer}")
        print(f"{engine.ledger.usage.tokens} tokens in all")


if __name__ == "__main__":
    asyncio.run(main())
