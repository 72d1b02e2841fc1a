"""A backend that answers from recorded samples."""

from __future__ import annotations

from ttscale.backends.replay.backend import ReplayBackend
from ttscale.backends.replay.dealer import Recordings
from ttscale.backends.replay.source import choose_model, recorded_capabilities
from ttscale.bank.take import Take

__all__ = ["Recordings", "ReplayBackend", "Take", "choose_model", "recorded_capabilities"]
