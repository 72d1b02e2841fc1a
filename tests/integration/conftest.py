"""Real engines, started once a session: every start costs seconds."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from tests.integration.vllm_server import VLLMServer, vllm_server
from ttscale.backends.vllm import VLLMBackend
from ttscale.reference import ABACUS_PATH


@pytest.fixture(scope="session")
def abacus() -> str:
    """Return the directory of the reference model."""
    return str(ABACUS_PATH)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def vllm_backend(abacus: str) -> AsyncIterator[VLLMBackend]:
    """Yield the reference model on real vLLM, with its statistics; use it on the session's event loop."""
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed")
    async with VLLMBackend(abacus, engine_args={"disable_log_stats": False}) as backend:
        yield backend


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VLLMServer]:
    """Serve the reference model on real vLLM, once for all tests."""
    if importlib.util.find_spec("vllm") is None:
        pytest.skip("vLLM is not installed")
    with vllm_server(ABACUS_PATH, tmp_path_factory.mktemp("vllm")) as server:
        yield server
