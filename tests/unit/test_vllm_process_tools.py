"""What an engine process inherits, and that it ends with us: no vLLM needed."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from ttscale.backends.vllm import process


def test_the_environment_is_afterwards_what_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTSCALE_TEST_KEPT", "1")
    monkeypatch.setenv("TTSCALE_TEST_UNSET", "2")
    before = dict(os.environ)
    with process.environment({"TTSCALE_TEST_KEPT": "9", "TTSCALE_TEST_UNSET": None}):
        assert os.environ["TTSCALE_TEST_KEPT"] == "9"
        assert "TTSCALE_TEST_UNSET" not in os.environ
        os.environ["TTSCALE_TEST_LEFT_BEHIND"] = "by a library"
    assert dict(os.environ) == before


def test_nothing_written_while_an_engine_starts_reaches_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    with process.stdout_to_stderr():
        os.write(1, b"chatter\n")
    os.write(1, b"document\n")
    assert capfd.readouterr() == ("document\n", "chatter\n")


def test_warnings_are_hidden_and_errors_are_not(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("somebody")
    with process.quiet():
        warnings.warn("noise", UserWarning, stacklevel=1)
        log.warning("noise")
        log.error("trouble")
    log.warning("later")
    assert [record.message for record in caplog.records] == ["trouble", "later"]


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's own")
def test_only_processes_forked_for_the_engine_end_with_us() -> None:
    told = run_python(
        """
import ctypes, os
from ttscale.backends.vllm.process import forks_end_with_us

def signal_of_child():
    read, write = os.pipe()
    if os.fork() == 0:
        value = ctypes.c_int()
        ctypes.CDLL(None).prctl(2, ctypes.byref(value))
        os.write(write, f"{value.value} {os.getpgid(0) == os.getpid()}".encode())
        os._exit(0)
    os.wait()
    return os.read(read, 100).decode()

print(signal_of_child())
with forks_end_with_us():
    print(signal_of_child())
print(signal_of_child())
"""
    )
    assert told.split("\n")[:3] == ["0 False", "9 True", "0 False"]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the guardian looks for its wards in /proc")
@pytest.mark.parametrize("kill_parent", [True, False])
def test_the_guardian_kills_its_wards_once_the_parent_is_gone_and_never_before(kill_parent: bool) -> None:
    code = """
import os, subprocess, sys
from ttscale.backends.vllm.process import Guardian, environment

guardian = Guardian()
guardian.start()
with environment(guardian.mark):
    ward = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
print(ward.pid, flush=True)
input()
guardian.close()
print(ward.poll(), flush=True)
input()
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        ward = Path("/proc", parent.stdout.readline().strip())
        assert ward.exists()
        if not kill_parent:
            parent.stdin.write("\n")
            parent.stdin.flush()
            assert parent.stdout.readline() == "None\n"
        parent.kill()
    deadline = time.monotonic() + 30
    while ward.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not ward.exists()


def test_importing_the_backend_loads_neither_torch_nor_vllm() -> None:
    heavy = "{'torch', 'vllm', 'transformers'}"
    code = f"import sys, ttscale.backends.vllm.engine; print(sys.modules.keys() & {heavy})"
    assert run_python(code) == "set()\n"
