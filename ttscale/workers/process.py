"""The worker's side: ``python -m ttscale.workers.process SOCKET MEMORY_BYTES PARENT``.

Reads one JSON request a line from the socket it inherits and writes one JSON reply a line. Its standard streams
are the null device, so a function may print and read as it likes.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import math
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Final, cast

from ttscale.types import JSON
from ttscale.workers.protocol import MAX_VALUE_BYTES, OUT_OF_MEMORY, Failure, Request

_MAX_MESSAGE_CHARACTERS: Final = 2000
_DIE_WITH_PARENT: Final = 1  # PR_SET_PDEATHSIG
_SPARE_CPU_SECONDS: Final = 2


def main() -> None:
    """Serve requests until the parent hangs up."""
    descriptor, memory_bytes, parent = (int(argument) for argument in sys.argv[1:4])
    _die_with(parent)
    _limit_memory(memory_bytes)
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rb") as requests:
        connection.set_inheritable(False)
        for line in requests:
            request = cast("Request", json.loads(line))
            reply = _answer(request)
            # A process grown this far is replaced before it meets the limit in some innocent call.
            retires = _most_memory_bytes() > memory_bytes // 2
            head = json.dumps({"id": request["id"], "retires": retires}).encode()
            connection.sendall(head[:-1] + b"," + reply + b"}\n")


def _die_with(parent: int) -> None:
    """Have the kernel kill this process when the parent's thread that started it ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit()


def _limit_memory(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(ValueError, OSError):  # macOS refuses limits on address space
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))


def _most_memory_bytes() -> int:
    """Return the most memory this process has had resident."""
    # Linux counts the parent's memory in a child's `ru_maxrss`; the peak in `status` starts afresh.
    with suppress(OSError), open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _limit_cpu(seconds: float) -> None:
    """Allow that many more seconds of processor time, should nobody be there to keep the deadline."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(usage.ru_utime + usage.ru_stime + seconds) + _SPARE_CPU_SECONDS
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _answer(request: Request) -> bytes:
    """Do what is asked; returns the members of the reply object, without its braces."""
    try:
        function = _resolve(request["function"])
        if "arguments" not in request:
            return b'"value":null'
        _limit_cpu(request["seconds"])
        value = json.dumps(function(*request["arguments"])).encode()
        if len(value) > MAX_VALUE_BYTES:
            raise ValueError(f"the returned value has {len(value)} bytes of JSON, more than can be sent")
        return b'"value":' + value
    except MemoryError:
        os._exit(OUT_OF_MEMORY)
    except BaseException as error:  # whatever a function raises, SystemExit included, is the caller's to know
        described: Failure = {"type": type(error).__name__, "message": _text(error)}
        return b'"error":' + json.dumps(described).encode()


@cache
def _resolve(name: str) -> Callable[..., JSON]:
    module, _, attribute = name.partition(":")
    return cast("Callable[..., JSON]", getattr(importlib.import_module(module), attribute))


def _text(error: BaseException) -> str:
    try:
        return str(error)[:_MAX_MESSAGE_CHARACTERS]
    except Exception:
        return "(no message)"


if __name__ == "__main__":
    main()
