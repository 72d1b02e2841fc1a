"""What ttscale adds to the raw engine: `python benchmarks/overhead.py`.

In one run, on one vLLM engine, for the same prompts, seeds and sampling and hence the same generated tokens:

(a) raw: every sample is a request of vLLM's own, all of them sent at once;
(b) ttscale: `best_of_n` over as many questions at once, each sample scored by its mean log-probability.

Both give text and the log-probabilities of the chosen tokens. The two take turns, so that a noisy machine
disturbs both alike. Printed are tokens per second of each, their ratio, and the processor time that this
process spent per sample (the engine's core runs in a process of its own).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import cast

from ttscale import Engine, Problem, Prompt, Sampling, load_backend
from ttscale.backends.vllm import VLLMBackend
from ttscale.registry import parse_value
from ttscale.run import derive_seed
from ttscale.strategies import BestOfN
from ttscale.types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One pass over all samples."""

    seconds: float
    cpu_seconds: float
    """Processor time of this process."""
    generated: int

    @property
    def tokens_per_second(self) -> float:
        """Generated tokens per second."""
        return self.generated / self.seconds


def questions(num_questions: int) -> list[Problem]:
    """Return problems of a kind that the reference model reads."""
    from reasoning_gym import create_dataset

    texts = [str(entry["question"]) for entry in create_dataset("chain_sum", size=num_questions, seed=0)]
    return [Problem(id=f"q{number}", prompt=Prompt.user(text)) for number, text in enumerate(texts)]


async def raw(engine: Engine, problems: Sequence[Problem], n: int, max_tokens: int) -> int:
    """Send every sample to vLLM at once; return the number of generated tokens."""
    backend = cast("VLLMBackend", engine.backend)
    vllm, profile = backend.engine, backend.profile
    sampling = Sampling(
        max_tokens=max_tokens,
        temperature=profile.temperature,
        top_p=profile.top_p,
        top_k=profile.top_k,
        logprobs=0,
    )

    async def one(prompt_ids: Sequence[int], seed: int, name: str) -> int:
        params = vllm.params(sampling, seed, stream=False, detokenize=True)
        generated = 0
        async with aclosing(vllm.outputs(list(prompt_ids), params, name, priority=0)) as outputs:
            async for output in outputs:
                generated += len(output.outputs[0].token_ids)
        return generated

    turn = time.monotonic_ns()
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(
                one(
                    backend.encode(problem.prompt).token_ids or (),
                    derive_seed(0, problem.id, index),
                    f"raw-{turn}-{problem.id}-{index}",
                )
            )
            for problem in problems
            for index in range(n)
        ]
    return sum(task.result() for task in tasks)


async def through_ttscale(engine: Engine, problems: Sequence[Problem], n: int, max_tokens: int) -> int:
    """Run `best_of_n` over all questions at once; return the number of generated tokens."""
    strategy = BestOfN(n=n, stop="never", max_tokens=max_tokens)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(engine.solve(problem, strategy=strategy, seed=0)) for problem in problems]
    return sum(task.result().usage.generated for task in tasks)


async def measure(work: Callable[[], Awaitable[int]]) -> Measured:
    """Time one pass."""
    started, cpu = time.perf_counter(), time.process_time()
    generated = await work()
    return Measured(
        seconds=time.perf_counter() - started, cpu_seconds=time.process_time() - cpu, generated=generated
    )


async def compare(arguments: argparse.Namespace) -> dict[str, JSON]:
    """Let the two take turns and return the figures."""
    problems = questions(arguments.questions)
    n, max_tokens = arguments.n, arguments.max_tokens
    options = dict(option.split("=", 1) for option in arguments.option)
    backend = load_backend(arguments.model, {key: parse_value(value) for key, value in options.items()})
    async with Engine(backend) as engine:
        passes: dict[str, list[Measured]] = {"raw": [], "ttscale": []}
        for turn in range(arguments.repeat + 1):
            for name, work in (("raw", raw), ("ttscale", through_ttscale)):
                measured = await measure(partial(work, engine, problems, n, max_tokens))
                if turn:  # the first turn warms the prefix cache for both
                    passes[name].append(measured)
        return figures(passes, num_samples=len(problems) * n, model=backend.profile.name)


def figures(passes: dict[str, list[Measured]], *, num_samples: int, model: str) -> dict[str, JSON]:
    """Return medians and the median of the paired ratios."""
    ratios = [b.tokens_per_second / a.tokens_per_second for a, b in zip(*passes.values(), strict=True)]

    def median_of(name: str, of: Callable[[Measured], float]) -> float:
        return statistics.median(of(measured) for measured in passes[name])

    def cpu_ms(name: str) -> float:
        return 1000 * median_of(name, lambda measured: measured.cpu_seconds) / num_samples

    return {
        "model": model,
        "machine": f"{platform.machine()}, {platform.python_implementation()} {platform.python_version()}",
        "samples": num_samples,
        "generated_tokens": {name: [m.generated for m in measured] for name, measured in passes.items()},
        "tokens_per_second": {
            name: round(median_of(name, lambda m: m.tokens_per_second), 1) for name in passes
        },
        "ratio_median": round(statistics.median(ratios), 4),
        "ratios": [round(ratio, 4) for ratio in ratios],
        "cpu_ms_per_sample": {name: round(cpu_ms(name), 4) for name in passes},
        "cpu_ms_added_per_sample": round(cpu_ms("ttscale") - cpu_ms("raw"), 4),
    }


def main() -> None:
    """Read the arguments, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="vllm:abacus", help="a vllm: model URI")
    parser.add_argument("--option", action="append", default=[], metavar="KEY=VALUE", help="backend option")
    parser.add_argument("--questions", type=int, default=64)
    parser.add_argument("--n", type=int, default=16, help="samples a question")
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--repeat", type=int, default=5, help="measured turns, after one that warms up")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON only")
    arguments = parser.parse_args()
    found = asyncio.run(compare(arguments))
    if arguments.json:
        print(json.dumps(found))
        return
    speeds = cast("dict[str, float]", found["tokens_per_second"])
    cpu = cast("dict[str, float]", found["cpu_ms_per_sample"])
    print(f"{found['model']} on {found['machine']}; {found['samples']} samples a turn")
    print(f"raw vLLM  {speeds['raw']:>10,.0f} tokens/s   {cpu['raw']:.3f} ms of CPU a sample")
    print(f"ttscale   {speeds['ttscale']:>10,.0f} tokens/s   {cpu['ttscale']:.3f} ms of CPU a sample")
    print(f"ttscale keeps {found['ratio_median']:.1%} of the raw throughput (turn by turn: {found['ratios']})")
    print(f"ttscale adds {found['cpu_ms_added_per_sample']:.3f} ms of CPU a sample")


if __name__ == "__main__":
    main()
