"""What tests of the openai backend share: a server, a backend on it, and how to ask."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from tests.unit.scripted_server import Behaviour, ScriptedServer, bill, piece, sse
from ttscale.backends.base import Chunk, Request
from ttscale.backends.openai import OpenAIBackend
from ttscale.types import JSON, Prompt, Sampling

QUESTION: Final = Prompt.user("What is 2+2?")
ANSWER: Final = sse(piece("It "), piece("is 4."), piece("", finish="stop"), bill(20, 6))


@asynccontextmanager
async def serving(
    *behaviours: Behaviour, models: JSON = None, **options: object
) -> AsyncGenerator[tuple[ScriptedServer, OpenAIBackend]]:
    """Start a server and a backend on it."""
    options.setdefault("timeout_seconds", 5.0)
    async with (
        ScriptedServer(list(behaviours), models=models) as server,
        OpenAIBackend("m", base_url=server.url, **options) as backend,  # type: ignore[arg-type]
    ):
        yield server, backend


def asked(n: int = 1, prompt: Prompt = QUESTION, *, stream: bool = False, **sampling: object) -> Request:
    chosen = Sampling(**{"max_tokens": 30, "temperature": 1.0, **sampling})  # type: ignore[arg-type]
    return Request(prompt=prompt, sampling=chosen, seeds=tuple(range(100, 100 + n)), stream=stream)


async def drawn(backend: OpenAIBackend, request: Request) -> dict[int, Chunk]:
    """Return the last chunk of each sample; without streaming it is the whole sample."""
    last = dict[int, Chunk]()
    async with backend.generate(request) as generation:
        async for chunk in generation:
            last[chunk.index] = chunk
    return last
