"""The outside of the sandbox: starts `jail.py` in a process of its own, and ends it."""

from __future__ import annotations

import asyncio
import json
import math
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, cast

from ttscale.errors import ToolError
from ttscale.tools.sandbox.syscalls import seccomp_program

Protection = Literal["network", "files", "disk", "processes", "memory", "cpu", "privileges"]
"""What the code is kept from: sockets; files but Python's own and its folder's; filling the disk; starting
processes and threads, and signalling others; memory and processor time beyond the limits; capabilities."""

_JAIL: Final = Path(__file__).with_name("jail.py")
_START_SECONDS: Final = 20.0
"""Longest time to start a process and lock it in, which the code's time does not count."""
_END_SECONDS: Final = 5.0
"""Longest time the kernel may take to end a process."""
_REPORT: Final = 3
"""The descriptor on which `jail.py` reports."""
_CHUNK: Final = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxLimits:
    """What the code may use.

    Raises:
        ValueError: a value is out of range.
    """

    seconds: float = 5.0
    """Wall-clock time, > 0; of processor time as many whole seconds."""
    memory_bytes: int = 512 * 2**20
    """Address space, >= 128 MiB."""
    disk_bytes: int = 16 * 2**20
    """All its files together, which are in memory, >= 1 MiB; each of them, where only Landlock protects."""
    files: int = 256
    """Most files and folders, >= 64; those that the sandbox itself needs among them."""
    open_files: int = 64
    """Most open at once, >= 16."""
    output_bytes: int = 65_536
    """Most that is kept of what it prints, >= 1; the rest is thrown away."""

    def __post_init__(self) -> None:
        if not 0 < self.seconds < math.inf:
            raise ValueError(f"seconds must be > 0 and finite, got {self.seconds!r}")
        for name, least in (
            ("memory_bytes", 2**27),
            ("disk_bytes", 2**20),
            ("files", 64),
            ("open_files", 16),
            ("output_bytes", 1),
        ):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be >= {least}, got {getattr(self, name)!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What became of a program."""

    output: str
    """What it printed, standard output and errors together, cut to the limit."""
    num_left_out: int
    """Bytes of output that were thrown away."""
    status: int | None
    """Its exit status; negative: the signal that ended it; ``None``: it was killed when its time was over."""
    protections: Mapping[Protection, str]
    """Who kept it from what."""


class SandboxRefused(ToolError):
    """This machine does not permit what was required; nothing was run."""


async def run_locked_in(code: str, limits: SandboxLimits, requires: Collection[Protection]) -> Finished:
    """Run a Python program in a process that the kernel has locked in; cancelled, it is killed.

    Raises:
        SandboxRefused: a protection cannot be had on this machine; the message says which and why.
    """
    # A namespace's file system is mounted on this folder, where the process alone sees it.
    folder = tempfile.mkdtemp(prefix="ttscale-sandbox-")
    try:
        reading, writing = os.pipe()
        try:
            process = await _start(folder, writing)
        except BaseException:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        try:
            request = {
                "code": code,
                "folder": folder,
                "limits": _whole(limits),
                "program": (seccomp_program(os.uname().machine) or b"").hex(),
                "requires": sorted(requires),
                "parent": os.getpid(),
            }
            by = await _locked(process, json.dumps(request), reading)
            return await _finished(process, limits, by)
        finally:
            await _end(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _whole(limits: SandboxLimits) -> dict[str, int]:
    return {
        "cpu_seconds": math.ceil(limits.seconds),
        "memory_bytes": limits.memory_bytes,
        "disk_bytes": limits.disk_bytes,
        "files": limits.files,
        "open_files": limits.open_files,
    }


async def _start(folder: str, report: int) -> asyncio.subprocess.Process:
    # The report's descriptor becomes 3, and has no other number: its end says that the report is complete.
    moved = "" if report == _REPORT else f"os.dup2({report}, {_REPORT}); os.close({report}); "
    opened = f"import os, runpy; {moved}runpy.run_path({str(_JAIL)!r}, run_name='__main__')"
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-S", "-B", "-X", "utf8", "-c", opened),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        pass_fds=(report,),
        env={},
        cwd=folder,
        start_new_session=True,
        limit=_CHUNK,
    )


async def _locked(process: asyncio.subprocess.Process, request: str, reading: int) -> Mapping[Protection, str]:
    """Hand over the request, and wait for the report that the process is locked in.

    Raises:
        SandboxRefused: it is not, or there is no report.
    """
    assert process.stdin is not None
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(reading, "rb", buffering=0)
    )
    try:
        async with asyncio.timeout(_START_SECONDS):
            with suppress(ConnectionError):
                process.stdin.write(request.encode() + b"\n")
                await process.stdin.drain()
            process.stdin.close()
            text = await reader.read()
    except TimeoutError:
        raise SandboxRefused(f"the sandbox did not start within {_START_SECONDS:g} s") from None
    finally:
        transport.close()
    if not text:
        said = b"" if process.stdout is None else await process.stdout.read(2000)
        raise SandboxRefused(f"the sandbox did not start: {said.decode(errors='replace').strip()[-500:]}")
    report = cast("dict[str, dict[str, str]]", json.loads(text))
    if lacking := report["lacking"]:
        reasons = "; ".join(f"{name} ({why})" for name, why in lacking.items())
        raise SandboxRefused(
            f"nothing was run: this machine does not permit the protection of {reasons}. "
            f"Leave it out of `requires` to run without."
        )
    return cast("Mapping[Protection, str]", report["protections"])


async def _finished(
    process: asyncio.subprocess.Process, limits: SandboxLimits, by: Mapping[Protection, str]
) -> Finished:
    assert process.stdout is not None
    kept, left_out, status = bytearray(), 0, None
    with suppress(TimeoutError):
        async with asyncio.timeout(limits.seconds):
            while chunk := await process.stdout.read(_CHUNK):
                room = limits.output_bytes - len(kept)
                kept += chunk[:room]
                left_out += max(0, len(chunk) - room)
        async with asyncio.timeout(_END_SECONDS):  # it can print nothing more: it has ended, or is about to
            status = await process.wait()
    return Finished(output=kept.decode(errors="replace"), num_left_out=left_out, status=status, protections=by)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Kill the process and what it may have started, and wait for the end of it and of its output."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    assert process.stdout is not None
    with suppress(TimeoutError):
        async with asyncio.timeout(_END_SECONDS):
            while await process.stdout.read(_CHUNK):  # unread output would keep the pipe open
                pass
    await process.wait()
