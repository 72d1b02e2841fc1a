"""The process side of the engine: what it inherits at its start, and that it never outlives us.

vLLM runs the model in child processes, which end when we end, even by SIGKILL. A forked child asks the kernel
for that, and leaves our process group, so that a Ctrl-C in the terminal reaches only us and we can close it in
order. A spawned one cannot be reached before it runs foreign code, so a small guardian process watches over it.
"""

from __future__ import annotations

import ctypes
import functools
import logging
import os
import signal
import subprocess
import sys
import uuid
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_MARK: Final = "TTSCALE_ENGINE"
"""Environment variable that tells the guardian which processes are ours."""


class _Starting:
    """Whether an engine is being started right now, and by which process; read by the fork hooks."""

    active = False
    parent = 0


@functools.cache
def _install_fork_hooks() -> None:
    """Register the hooks once a process; they cannot be removed, and do nothing while no engine starts."""
    libc = ctypes.CDLL(None)

    def before() -> None:
        _Starting.parent = os.getpid()

    def in_child() -> None:
        if not _Starting.active:
            return
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != _Starting.parent:  # the parent died before the kernel knew
            os.kill(os.getpid(), signal.SIGKILL)
        os.setpgid(0, 0)

    os.register_at_fork(before=before, after_in_child=in_child)


@contextmanager
def forks_end_with_us() -> Generator[None]:
    """Make every process forked in the block, and what it forks itself, end with the one that forked it."""
    if sys.platform != "linux":
        yield
        return
    _install_fork_hooks()
    _Starting.active = True
    try:
        yield
    finally:
        _Starting.active = False


@contextmanager
def environment(changes: Mapping[str, str | None]) -> Generator[None]:
    """Run the block with changed environment variables; afterwards all of them are as before.

    Args:
        changes: new values; ``None`` unsets a variable.
    """
    before = dict(os.environ)
    for name, value in changes.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def stdout_to_stderr() -> Generator[None]:
    """Send what this process and the children started in the block write to stdout to stderr.

    Children keep it so for good: stdout carries documents, and an engine has none to write.
    """
    if sys.stdout is not None:
        sys.stdout.flush()
    try:
        saved = os.dup(1)
        os.dup2(2, 1)
    except OSError:  # there is no stdout to protect, or no stderr
        yield
        return
    try:
        yield
    finally:
        if sys.stdout is not None:
            sys.stdout.flush()
        os.dup2(saved, 1)
        os.close(saved)


@contextmanager
def quiet() -> Generator[None]:
    """Hide warnings, Python's and the logs', in the block and in children forked there; errors still show."""
    disabled = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(max(disabled, logging.WARNING))
        try:
            yield
        finally:
            logging.disable(disabled)


# A word from the parent: all is well. The pipe's end without one: the parent is gone, so kill every process
# that carries the mark in the environment it was started with; again, for those that were just being started.
_GUARD: Final = """
import os, signal, sys
mark = sys.argv[1].encode()
os.setpgid(0, 0)
if sys.stdin.buffer.read():
    sys.exit()
for _ in range(3):
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                with open(f"/proc/{name}/environ", "rb") as file:
                    if mark in file.read().split(bytes(1)):
                        os.kill(int(name), signal.SIGKILL)
            except OSError:
                pass
"""


class Guardian:
    """A process that kills the processes carrying its mark as soon as this process is gone (Linux only)."""

    def __init__(self) -> None:
        self.mark: Mapping[str, str | None] = {_MARK: uuid.uuid4().hex}
        """Environment variable that the processes to watch over must be started with."""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start watching."""
        if not Path("/proc/self/environ").exists():
            return
        pairs = (f"{name}={value}" for name, value in self.mark.items())
        self._process = subprocess.Popen(  # noqa: S603  # this interpreter with our own code
            [sys.executable, "-I", "-S", "-c", _GUARD, *pairs],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def close(self) -> None:
        """Stop watching."""
        if self._process is not None:
            self._process.communicate(b"bye")
            self._process = None
