"""A real `vllm serve` in its own process."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.metadata
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

START_SECONDS: Final = 240.0
_PR_SET_PDEATHSIG: Final = 1


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
    deadline = time.monotonic() + 10
    while group_members(process.pid) and time.monotonic() < deadline:
        time.sleep(0.05)  # a killed process takes a moment to let go of its memory


def group_members(group: int) -> list[int]:
    """Return the living processes of a process group."""
    members = list[int]()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                state, _, pgrp = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            except OSError:
                continue
            if int(pgrp) == group and state != "Z":
                members.append(int(entry.name))
    return members
