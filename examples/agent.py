"""Ask one hard question from inside an agent, on a budget: `python examples/agent.py`."""

from __future__ import annotations

import asyncio

import ttscale as tts
from ttscale.strategies import SelfConsistency

QUESTION = "State the final answer to the following arithmetic problem: 48 + 91 - 17 + 66 ="


async def main() -> None:
    """Print the answer, how sure the vote was, and what it cost."""
    outcome = await tts.solve(
        QUESTION,
        model="abacus",
        strategy=SelfConsistency(n=16),
        budget=tts.Budget(tokens=8_000, seconds=60),
    )
    confidence = "unknown" if outcome.confidence is None else f"{outcome.confidence:.0%} of the votes"
    print(f"answer: {outcome.answer} ({confidence})")
    print(f"cost: {outcome.usage.tokens} tokens, of which {outcome.usage.cancelled} cancelled early")


if __name__ == "__main__":
    asyncio.run(main())
