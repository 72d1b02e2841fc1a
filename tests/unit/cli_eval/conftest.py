"""Every test here runs in a directory of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.unit.eval_bench import UseBackend
from ttscale.backends import Backend
from ttscale.types import JSON


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of its own, with a data file of four sums."""
    monkeypatch.chdir(tmp_path)
    lines = [json.dumps({"question": f"What is {n} + {n}?", "answer": str(2 * n)}) for n in range(4)]
    (tmp_path / "sums.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


@pytest.fixture
def use_backend(monkeypatch: pytest.MonkeyPatch) -> UseBackend:
    """Let every model URI mean one backend."""

    def use(backend: Backend) -> None:
        def load_backend(uri: str, options: Mapping[str, JSON] | None = None) -> Backend:
            return backend

        monkeypatch.setattr("ttscale_evals.sources.load_backend", load_backend)

    return use
