"""The error of a text that breaks a grammar."""

from __future__ import annotations

from ttscale.errors import TTScaleError


class FormatError(TTScaleError):
    """What a model wrote does not follow the format; the message says where."""
