"""Programs that start vLLM: what they write, how they end, and what is left of them when they are killed."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(importlib.util.find_spec("vllm") is None, reason="vLLM is not installed"),
]

SCRIPT = """
import asyncio, multiprocessing, sys, warnings
{preamble}
from ttscale.backends import Request
from ttscale.backends.vllm import VLLMBackend
from ttscale.types import Prompt, Sampling

async def main():
    async with VLLMBackend(sys.argv[1], max_num_seqs=4) as backend:
        request = Request(prompt=Prompt.user("What is 2 + 3?"), sampling=Sampling(max_tokens=4), seeds=(1, 2))
        chunks = [chunk async for chunk in backend.generate(request)]
        assert len(chunks) == 2 and not any(chunk.error for chunk in chunks), chunks
        print(*[child.pid for child in multiprocessing.active_children()], flush=True)
        await asyncio.to_thread(sys.stdin.readline)

if __name__ == "__main__":
    warnings.simplefilter("error")
    asyncio.run(main())
"""
THREADS = "import torch; torch.set_num_threads(2)"


@pytest.fixture(params=["", THREADS], ids=["forked", "spawned"])
def script(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a program that starts an engine, tells its processes, and ends at the next line it reads."""
    path = tmp_path / "program.py"
    path.write_text(SCRIPT.format(preamble=request.param))
    return path


def test_a_killed_parent_leaves_no_engine_behind(script: Path, abacus: str) -> None:
    command = [sys.executable, str(script), abacus]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert pids
        assert all(Path("/proc", str(pid)).exists() for pid in pids)
        parent.kill()
    deadline = time.monotonic() + 30
    while (left := [pid for pid in pids if Path("/proc", str(pid)).exists()]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left


def test_a_program_with_an_engine_ends_cleanly_and_writes_only_its_own_lines(script: Path, abacus: str) -> None:
    command = [sys.executable, str(script), abacus]
    environment = {name: value for name, value in os.environ.items() if name != "VLLM_LOGGING_LEVEL"}
    done = subprocess.run(command, input="\n", capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert all(word.isdigit() for word in line.split())
    assert not done.stderr
