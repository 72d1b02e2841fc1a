"""Servers for tests: a real `vllm serve` in its own process, and one in this one that does as it is told."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import importlib.metadata
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from aiohttp import web

from ttscale.types import JSON

START_SECONDS: Final = 240.0
_PR_SET_PDEATHSIG: Final = 1


# ── a server that does as it is told ──────────────────────────────────────────────────────────────────────────

Behaviour = Callable[[web.Request, Mapping[str, JSON]], Awaitable[web.StreamResponse]]
"""How one request is answered, given its JSON body."""


def sse(*events: JSON, done: bool = True) -> Behaviour:
    """Answer with a stream of these events."""

    async def answer(request: web.Request, body: Mapping[str, JSON]) -> web.StreamResponse:
        response = await _open_stream(request)
        for event in events:
            await send(response, event)
        if done:
            await response.write(b"data: [DONE]\n\n")
        return response

    return answer


async def _open_stream(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response


async def send(response: web.StreamResponse, event: JSON) -> None:
    """Send one event."""
    await response.write(f"data: {json.dumps(event)}\n\n".encode())


def piece(text: str, *, choice: int = 0, finish: str | None = None) -> dict[str, JSON]:
    """Return a chat event that brings some text of one choice."""
    return {"choices": [{"index": choice, "delta": {"content": text}, "finish_reason": finish}]}


def bill(prompt: int, completion: int, *, cached: int | None = None) -> dict[str, JSON]:
    """Return the event that carries the usage."""
    usage: dict[str, JSON] = {"prompt_tokens": prompt, "completion_tokens": completion}
    if cached is not None:
        usage["prompt_tokens_details"] = {"cached_tokens": cached}
    return {"choices": [], "usage": usage}


def document(*texts: str, prompt: int = 7, completion: int = 12) -> Behaviour:
    """Answer with one JSON document, one choice a text."""
    choices: list[JSON] = [
        {"index": index, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        for index, text in enumerate(texts)
    ]
    usage: JSON = {"prompt_tokens": prompt, "completion_tokens": completion}
    return raw(json.dumps({"choices": choices, "usage": usage}))


def raw(text: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Answer with this text as JSON, valid or not."""

    async def answer(request: web.Request, body: Mapping[str, JSON]) -> web.StreamResponse:
        return web.Response(text=text, status=status, content_type="application/json", headers=headers)

    return answer


def refusal(status: int, message: str = "no", *, headers: Mapping[str, str] | None = None) -> Behaviour:
    """Answer with an error of this status."""
    return raw(json.dumps({"error": {"message": message, "code": None}}), status=status, headers=headers)


def cut(*events: JSON) -> Behaviour:
    """Send these events, then break the connection."""

    async def answer(request: web.Request, body: Mapping[str, JSON]) -> web.StreamResponse:
        if events:
            response = await _open_stream(request)
            for event in events:
                await send(response, event)
        assert request.transport is not None
        request.transport.close()
        await asyncio.sleep(0)
        return web.Response()

    return answer


def paused(*events: JSON, then: Sequence[JSON] = ()) -> tuple[Behaviour, asyncio.Event]:
    """Send these events, wait for the returned event to be set, send the rest."""
    go_on = asyncio.Event()

    async def answer(request: web.Request, body: Mapping[str, JSON]) -> web.StreamResponse:
        response = await _open_stream(request)
        for event in events:
            await send(response, event)
        await go_on.wait()
        for event in then:
            await send(response, event)
        await response.write(b"data: [DONE]\n\n")
        return response

    return answer, go_on


@dataclass
class ScriptedServer:
    """A server on a free port of the loopback device; each request is answered by the next behaviour in line.

    The last behaviour is used again and again. Entering starts it.
    """

    behaviours: list[Behaviour]
    models: JSON = None
    """What ``/v1/models`` answers; ``None``: there is no such page."""
    pages: Mapping[str, str] = field(default_factory=dict[str, str])
    """Further GET pages by path."""
    bodies: list[Mapping[str, JSON]] = field(default_factory=list[Mapping[str, JSON]], init=False)
    paths: list[str] = field(default_factory=list[str], init=False)
    headers: list[Mapping[str, str]] = field(default_factory=list[Mapping[str, str]], init=False)
    num_gone: int = field(default=0, init=False)
    """Requests whose client went away before their end."""
    num_open: int = field(default=0, init=False)
    peak_open: int = field(default=0, init=False)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait for a condition on what this server has seen."""
        async with self._changed:
            await self._changed.wait_for(holds)

    async def _change(self, num_open: int) -> None:
        async with self._changed:
            self.num_open += num_open
            self.peak_open = max(self.peak_open, self.num_open)
            self._changed.notify_all()

    async def __aenter__(self) -> Self:
        self._changed = asyncio.Condition()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._get)
        app.router.add_post("/{path:.*}", self._post)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.root = f"http://{host}:{port}"
        self.url = f"{self.root}/v1"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _get(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        if request.path == "/v1/models" and self.models is not None:
            return web.json_response(self.models)
        if request.path in self.pages:
            return web.Response(text=self.pages[request.path])
        return web.Response(status=404)

    async def _post(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.bodies.append(body)
        self.paths.append(request.path)
        self.headers.append(dict(request.headers))
        behaviour = self.behaviours.pop(0) if len(self.behaviours) > 1 else self.behaviours[0]
        await self._change(+1)
        try:
            return await behaviour(request, body)
        except (asyncio.CancelledError, ConnectionError):
            self.num_gone += 1
            raise
        finally:
            await self._change(-1)


def vllm_models(name: str, *, context_length: int = 512) -> JSON:
    """Return the list of models as vLLM gives it."""
    return {"object": "list", "data": [{"id": name, "owned_by": "vllm", "max_model_len": context_length}]}


# ── a real vLLM server ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class VLLMServer:
    """A running `vllm serve`."""

    url: str
    model: str
    log: Path
    process: subprocess.Popen[bytes]

    def metric(self, name: str) -> float:
        """Return the sum over labels of one of the server's metrics."""
        with urllib.request.urlopen(f"{self.url.removesuffix('/v1')}/metrics", timeout=10) as response:
            lines = response.read().decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


@contextlib.contextmanager
def vllm_server(model: Path, folder: Path, *arguments: str) -> Generator[VLLMServer]:
    """Serve a model with `vllm serve` on a free port of the loopback device; needs about 20 s to start.

    Args:
        model: directory of the model.
        folder: an empty directory for the log and for what the server needs.
        arguments: further arguments of `vllm serve`.
    """
    port, log = _free_port(), folder / "vllm.log"
    command = [
        *(sys.executable, "-c", "from vllm.entrypoints.cli.main import main; main()", "serve", str(model)),
        *("--served-model-name", model.name, "--host", "127.0.0.1", "--port", str(port)),
        *("--dtype", "float32", "--max-model-len", "1024", "--enforce-eager", "--block-size", "32"),
        *("--kv-cache-memory-bytes", str(64 << 20), "--generation-config", "vllm"),
        # Seeded requests whose prompt is cut into chunks would end vLLM on a CPU.
        *("--no-enable-chunked-prefill", "--max-num-batched-tokens", "4096"),
        *("--enable-prompt-tokens-details", "--disable-uvicorn-access-log", *arguments),
    ]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            env=_environment(folder),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    try:
        _wait_until_healthy(process, port, log)
        yield VLLMServer(f"http://127.0.0.1:{port}/v1", model.name, log, process)
    finally:
        _end_group(process)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment in which vLLM starts quickly and quietly on few cores."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        "VLLM_NO_USAGE_STATS": "1",
        "HF_HUB_OFFLINE": "1",
    }
    environment.pop("VLLM_CPU_KVCACHE_SPACE", None)
    environment["PYTHONPATH"] = os.pathsep.join([str(_vllm_metadata(folder)), *_search_path(environment)])
    return environment


def _search_path(environment: Mapping[str, str]) -> list[str]:
    return [part for part in environment.get("PYTHONPATH", "").split(os.pathsep) if part]


def _vllm_metadata(folder: Path) -> Path:
    """Return a folder by which `vllm serve` finds its version: the CPU package is called otherwise.

    The version must say ``+cpu``: vLLM chooses its platform by it.
    """
    path = folder / "metadata"
    try:
        importlib.metadata.version("vllm")
    except importlib.metadata.PackageNotFoundError:
        version = importlib.metadata.version("vllm-cpu").partition("+")[0] + "+cpu"
        info = path / f"vllm-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {version}\n")
    return path


def _die_with_parent() -> None:
    """Have the kernel end this process when the one that started it dies, however that happens."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_until_healthy(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise RuntimeError(f"vllm serve did not start:\n{log.read_text(errors='replace')[-4000:]}")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the server with everything it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)
