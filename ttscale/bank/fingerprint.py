"""Telling models apart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ttscale.backends.base import Backend
from ttscale.bank.sample import RecordedModel, digest

_MODEL_FILES: Final = ("*.safetensors", "*.bin", "*.gguf", "*.json")
_SLICE_BYTES: Final = 2**20


def describe_model(backend: Backend, version: str = "") -> RecordedModel:
    """Return what a started backend says of its model, with a fingerprint.

    Another fingerprint comes from another backend (the same seed gives another sample there), another width of
    its weights, another version, and another model: of a local directory its files count, wherever it lies; of
    any other model its name, so a model that changes under its name needs a version.

    Args:
        backend: it must have started.
        version: a name for this state of the model.
    """
    profile = backend.profile
    identity = digest(
        [
            backend.name,
            files_digest(Path(profile.name)) or profile.name,
            profile.num_parameters,
            profile.bytes_per_parameter,
            version,
        ]
    )
    return RecordedModel(
        fingerprint=identity,
        backend=backend.name,
        profile=profile,
        capabilities=backend.capabilities,
        batch_size=backend.batch_size,
        version=version,
    )


def short_names(models: Sequence[RecordedModel]) -> list[str]:
    """Return what to call each of several models: as little of its name as no other one has."""
    ends, wholes = [Path(model.profile.name).name for model in models], [model.profile.name for model in models]
    return [
        next((names[at] for names in (ends, wholes) if names.count(names[at]) == 1), model.fingerprint[:8])
        for at, model in enumerate(models)
    ]


def files_digest(directory: Path) -> str | None:
    """Return a hash of a model's files, large ones by their size and both ends; ``None``: there are none."""
    try:
        files = sorted({file for pattern in _MODEL_FILES for file in directory.glob(pattern)})
        if not files:
            return None
        found = hashlib.sha256()
        for file in files:
            size = file.stat().st_size
            found.update(f"{file.name}:{size}:".encode())
            with file.open("rb") as content:
                found.update(content.read(_SLICE_BYTES))
                content.seek(max(0, size - _SLICE_BYTES))
                found.update(content.read())
    except OSError:  # a name that is no path, or files that this process may not read
        return None
    return found.hexdigest()[:32]
