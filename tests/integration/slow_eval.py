"""A process that evaluates on a slow scripted model, for `test_store_kill` to kill.

``python slow_eval.py CONFIG OUT LOG [POINT]`` appends every question the model is asked to LOG, prints
``begun`` with the first problem done, and at POINT kills itself.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sqlite3
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from ttscale.database import transaction
from ttscale.testing import FakeBackend, Reply
from ttscale.types import Prompt
from ttscale_evals.config import EvalConfig
from ttscale_evals.progress import Progress
from ttscale_evals.runner import run_eval
from ttscale_evals.store import ResultStore, RunDirectory, database


def logging_rule(log: Path) -> Callable[[Prompt, int, int], Reply]:
    """Answer by the seed alone, in 5 to 40 ms, and write down what was asked."""

    def rule(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        question = prompt.question
        with log.open("a") as file:
            file.write(question + "\n")
        draw = random.Random(seed)
        answer = question[1:] if draw.random() < 0.6 else "wrong"
        return Reply(f"\\boxed{{{answer}}}", seconds=draw.uniform(0.005, 0.04))

    return rule


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(point: str) -> None:
    """See to it that this process is killed at a certain point."""
    if point == "before-config":
        write = RunDirectory.write

        def write_or_die(self: RunDirectory, name: str, parts: list[str]) -> Path:
            if name == "config.yaml":
                (self.path / "config.yaml.new").write_text("model: half of")
                die()
            return write(self, name, parts)

        setattr(RunDirectory, "write", write_or_die)  # noqa: B010  # the checkers need not follow this
    elif point == "after-config":
        setattr(ResultStore, "set_cells", lambda *_, **__: die())  # noqa: B010
    elif point == "inside-commit":
        count = iter(range(10**6))

        @contextmanager
        def dying(connection: sqlite3.Connection) -> Generator[None]:
            with transaction(connection):
                yield
                if next(count) == 12:  # everything is written, nothing committed
                    die()

        setattr(database, "transaction", dying)  # noqa: B010


def main() -> None:
    config, out, log = (Path(argument) for argument in sys.argv[1:4])
    arm(sys.argv[4] if len(sys.argv) > 4 else "")
    begun = False

    def hear(progress: Progress) -> None:
        nonlocal begun
        if progress.tokens and not begun:
            begun = True
            print("begun", flush=True)

    backend = FakeBackend(logging_rule(log))
    asyncio.run(run_eval(EvalConfig.load(config), out=out, resume=True, backend=backend, progress=hear))


if __name__ == "__main__":
    main()
