"""A place to try ``ttscale pool`` in: a directory of its own, a backend in place of every model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ttscale.backends import Backend, Capabilities
from ttscale.cli import main
from ttscale.testing import EVERYTHING, FakeBackend, Reply
from ttscale.types import JSON, Prompt

SUMS = ("--benchmark", "jsonl:path=sums.jsonl", "--model", "my:model")
"""Options for three problems, sums-1 to sums-3: 0 + 0, 1 + 1 and 2 + 2."""


class Said(NamedTuple):
    """What a command came to."""

    status: int
    out: str
    err: str


class Bench:
    """Runs the command in a directory that holds ``sums.jsonl``."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        monkeypatch.chdir(path)
        lines = [json.dumps({"question": f"What is {n} + {n}?", "answer": str(2 * n)}) for n in range(3)]
        (path / "sums.jsonl").write_text("\n".join(lines) + "\n")
        self.path = path
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def use(self, backend: Backend) -> None:
        """Let every model URI mean one backend."""

        def load_backend(uri: str, options: Mapping[str, JSON] | None = None) -> Backend:
            return backend

        self._monkeypatch.setattr("ttscale.backends.load_backend", load_backend)

    def run(self, *words: str) -> Said:
        """Run ``ttscale pool …``."""
        self._capfd.readouterr()
        status = main(["pool", *words])
        captured = self._capfd.readouterr()
        return Said(status, captured.out, captured.err)

    def read(self, *words: str, status: int = 0) -> dict[str, Any]:
        """Run ``ttscale pool … --json`` and return its document, all there is on standard output."""
        said = self.run(*words, "--json")
        assert said.status == status, said.err
        document = json.loads(said.out)
        assert isinstance(document, dict)
        return document

    def refuse(self, *words: str) -> str:
        """Run ``ttscale pool …``, which must be wrong use, and return the one sentence that says so."""
        said = self.run(*words)
        assert (said.status, said.out) == (2, "")
        assert said.err.startswith("error: ")
        assert said.err.count("\n") == 1
        return said.err

    def files(self) -> dict[str, bytes]:
        """Return what is in the directory."""
        return {path.name: path.read_bytes() for path in self.path.iterdir() if path.is_file()}


def adder(capabilities: Capabilities = EVERYTHING) -> FakeBackend:
    """Return a backend that adds, by the seed three times of four rightly and else one too many."""
    return FakeBackend(_add, capabilities=capabilities)


def _add(prompt: Prompt, seed: int, ordinal: int) -> Reply:
    found = re.search(r"What is (\d+)", prompt.question)
    n = int(found[1]) if found else 0
    return Reply(f"\\boxed{{{2 * n + (seed % 4 == 0)}}}", seconds=0.001)
