"""The parent's side of one worker process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from typing import Final, Self, cast

from ttscale.types import JSON
from ttscale.workers.errors import WorkerCrashed, WorkerError, WorkerTimeout
from ttscale.workers.protocol import MAX_REPLY_BYTES, OUT_OF_MEMORY, Reply, Request

LOAD_SECONDS: Final = 120.0
"""Longest time a process may take to start and import a function's module; no call's deadline counts it."""

_SETTLE_SECONDS: Final = 1.0
"""How long an abandoned call may go on before its process is replaced: about what a new process costs."""

_HANDED_DOWN: Final = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "TZ", "VIRTUAL_ENV")


class WorkerProcess:
    """One process and the requests it has not answered; made by `start`."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._loaded = set[str]()
        self._asked = 0
        self._answered = 0
        self._retires = False

    @classmethod
    async def start(cls, memory_bytes: int) -> Self:
        """Start a process with a limit on its address space, in bytes."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                reader, writer = await asyncio.open_unix_connection(sock=ours, limit=MAX_REPLY_BYTES)
            except BaseException:
                ours.close()
                raise
            return cls(_spawn(theirs.fileno(), memory_bytes), reader, writer)

    @property
    def is_usable(self) -> bool:
        """Whether it lives and is not about to be replaced."""
        return not self._retires and self._process.poll() is None

    @property
    def is_settled(self) -> bool:
        """Whether it has answered everything: only a cancelled caller leaves an answer outstanding."""
        return self._asked == self._answered

    async def load(self, function: str) -> None:
        """Import a function's module, once.

        Raises:
            WorkerFailure: it cannot be imported.
        """
        if function not in self._loaded:
            await self._ask({"id": self._asked + 1, "function": function, "seconds": LOAD_SECONDS})
            self._loaded.add(function)

    async def call(self, function: str, arguments: list[JSON], seconds: float) -> JSON:
        """Run a loaded function.

        Raises:
            WorkerTimeout: not done after so many seconds; the process was killed.
            WorkerCrashed: the process died.
            WorkerError: the function raised.
        """
        request: Request = {
            "id": self._asked + 1,
            "function": function,
            "arguments": arguments,
            "seconds": seconds,
        }
        return await self._ask(request)

    async def settle(self) -> bool:
        """Wait a moment for the answer to an abandoned call; returns whether the process is free again."""
        if not self.is_settled:
            with suppress(TimeoutError, ConnectionError):
                async with asyncio.timeout(_SETTLE_SECONDS):
                    await self._reply()
        return self.is_settled and self.is_usable

    def kill(self) -> None:
        """Kill the process and whatever it started, at once; call `wait` afterwards."""
        self._retires = True
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._writer.close()

    @property
    def is_gone(self) -> bool:
        """Whether the process has ended and was reaped."""
        return self._process.poll() is not None

    async def wait(self) -> None:
        """Wait until a killed process has ended and was reaped."""
        await asyncio.to_thread(self._process.wait)
        with suppress(ConnectionError):
            await self._writer.wait_closed()

    async def _ask(self, request: Request) -> JSON:
        function, seconds = request["function"], request["seconds"]
        line = json.dumps(request)
        self._asked = request["id"]
        try:
            async with asyncio.timeout(seconds):
                self._writer.write(line.encode() + b"\n")
                await self._writer.drain()
                reply = await self._reply()
        except TimeoutError:
            self.kill()
            raise WorkerTimeout(function, seconds) from None
        except ConnectionError:
            raise WorkerCrashed(function, await self._obituary()) from None
        if "error" in reply:
            raise WorkerError(function, reply["error"]["type"], reply["error"]["message"])
        return reply.get("value")

    async def _reply(self) -> Reply:
        """Return the answer to the request asked last."""
        while not self.is_settled:
            line = await self._reader.readline()
            if not line.endswith(b"\n"):
                raise ConnectionResetError("the worker hung up")
            reply = cast("Reply", json.loads(line))
            self._answered = reply["id"]
            self._retires = reply["retires"]
            if self.is_settled:
                return reply
        raise AssertionError("nothing was asked")

    async def _obituary(self) -> str:
        """Say what a process that hung up died of."""
        self.kill()
        await self.wait()
        status = self._process.returncode
        if status == OUT_OF_MEMORY:
            return "ran out of memory."
        if status < 0:
            return f"died of {signal.Signals(-status).name}."
        return f"ended its process with exit status {status}."


def _spawn(descriptor: int, memory_bytes: int) -> subprocess.Popen[bytes]:
    """Start the process, in a session of its own so that no terminal's signals reach it."""
    arguments = [str(number) for number in (descriptor, memory_bytes, os.getpid())]
    return subprocess.Popen(  # noqa: S603  # our own module, no shell
        [sys.executable, "-P", "-m", "ttscale.workers.process", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=[descriptor],
        env=_environment(),
        start_new_session=True,
    )


def _environment() -> dict[str, str]:
    """Return what a worker sees of the environment: no secrets, one thread, our import path, fixed hashes."""
    handed_down = {name: os.environ[name] for name in _HANDED_DOWN if name in os.environ}
    return handed_down | {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": os.pathsep.join(os.path.abspath(entry) for entry in sys.path),
    }
