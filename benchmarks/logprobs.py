"""What log-probabilities cost: `python benchmarks/logprobs.py`.

In one run, on one vLLM engine, the same questions are answered by a plain majority, which asks for no
log-probabilities, and by inverse-entropy voting, which asks for the 20 most likely tokens of each position. The
two take turns over the same samples, so that a noisy machine disturbs both alike. Printed are tokens per second
of each and the median of the ratios, turn by turn.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time

from ttscale import Engine, Problem, load_backend
from ttscale.evals import create_benchmark
from ttscale.strategies import InverseEntropyVote, SelfConsistency
from ttscale.strategy import Strategy


async def tokens_per_second(engine: Engine, problems: list[Problem], strategy: Strategy) -> float:
    """Solve all problems at once."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(engine.solve(problem, strategy=strategy)) for problem in problems]
    return sum(task.result().usage.generated for task in tasks) / (time.perf_counter() - began)


async def compare(model: str, *, num_questions: int, n: int, turns: int) -> list[tuple[float, float]]:
    """Let the two take turns; return the speeds of each turn, plain first."""
    problems = list(create_benchmark("chain_sum").problems(limit=num_questions))
    plain, weighted = SelfConsistency(n=n, stop="never"), InverseEntropyVote(n=n)
    async with Engine(load_backend(model)) as engine:
        speeds = [
            (
                await tokens_per_second(engine, problems, plain),
                await tokens_per_second(engine, problems, weighted),
            )
            for _ in range(turns + 1)
        ]
    return speeds[1:]  # the first turn warms the prefix cache for both


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Compare votes with and without log-probabilities.")
    parser.add_argument("--model", default="vllm:abacus", metavar="URI", help="(default: %(default)s)")
    parser.add_argument("--questions", type=int, default=64, help="(default: %(default)s)")
    parser.add_argument(
        "--samples", type=int, default=16, metavar="N", help="a question (default: %(default)s)"
    )
    parser.add_argument("--turns", type=int, default=5, help="(default: %(default)s)")
    options = parser.parse_args()
    speeds = asyncio.run(
        compare(options.model, num_questions=options.questions, n=options.samples, turns=options.turns)
    )
    ratios = [weighted / plain for plain, weighted in speeds]
    for name, column in (("majority", 0), ("inverse entropy, top 20", 1)):
        print(f"{name:24} {statistics.median(speed[column] for speed in speeds):8,.0f} tokens/s")
    shown = ", ".join(f"{ratio:.3f}" for ratio in ratios)
    print(f"{'ratio':24} {statistics.median(ratios):8.3f}  (turn by turn: {shown})")


if __name__ == "__main__":
    main()
