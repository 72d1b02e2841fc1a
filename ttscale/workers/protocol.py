"""What parent and worker say to each other: one JSON object a line, each way."""

from __future__ import annotations

from typing import Final, NotRequired, TypedDict

from ttscale.types import JSON

OUT_OF_MEMORY: Final = 77
"""Exit status of a worker whose function ran into the memory limit."""

MAX_VALUE_BYTES: Final = 8 * 2**20
"""Longest JSON of a returned value; a longer one is an error of the function."""

MAX_REPLY_BYTES: Final = MAX_VALUE_BYTES + 2**16
"""Longest reply line."""


class Request(TypedDict):
    """What the parent asks for; without `arguments` the function is only imported."""

    id: int
    function: str
    arguments: NotRequired[list[JSON]]
    seconds: float
    """Deadline of the request; the processor time is limited to a little more."""


class Failure(TypedDict):
    """The exception that a function raised."""

    type: str
    message: str


class Reply(TypedDict):
    """What the worker answers: `value`, or `error`."""

    id: int
    value: NotRequired[JSON]
    error: NotRequired[Failure]
    retires: bool
    """Whether the process wants to be replaced."""
