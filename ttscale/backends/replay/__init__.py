"""A backend that answers from recorded samples."""

from __future__ import annotations

from ttscale.backends.replay.backend import ReplayBackend

__all__ = ["ReplayBackend"]
