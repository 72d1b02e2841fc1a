"""The tool protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from ttscale.tools.text import MAX_CHARACTERS, observed, written
from ttscale.types import JSON

if TYPE_CHECKING:
    from ttscale.tasks import TaskKeeper


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    """What came back: a value, or an error text that the model may be shown."""

    value: JSON = None
    error: str | None = None
    is_transient: bool = False
    """Of an error: whether the same call may succeed later."""
    usd: float = 0.0
    """What the call cost, in US dollars; 0 for one whose result was there already."""
    waited_seconds: float = 0.0
    """How long the call waited for its turn, >= 0."""
    is_reused: bool = False
    """Whether it is the result of an identical call."""

    @property
    def text(self) -> str:
        """The observation for a model; see `shown`."""
        return self.shown()

    def shown(self, max_characters: int = MAX_CHARACTERS) -> str:
        """Return what a model is shown: an error, a text as it is, any other value as JSON.

        Control characters are written out, and a long text loses its middle. Nothing in it is interpreted: a
        ``$2`` stays these two characters.

        Args:
            max_characters: of the observation, >= 0; the note that says how many are missing comes on top.
        """
        told = written(self.value) if self.error is None else f"Error: {self.error}"
        return observed(told, max_characters)


@runtime_checkable
class Tool(Protocol):
    """Something a model may call by name with JSON arguments."""

    @property
    def name(self) -> str:
        """The name it is called by."""
        ...

    @property
    def description(self) -> str:
        """What it does, in a sentence or a paragraph."""
        ...

    @property
    def parameters(self) -> Mapping[str, JSON]:
        """JSON Schema of its arguments: ``{"type": "object", "properties": …}``, properties in order."""
        ...

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        """Check the arguments and call it. Failures are results with `error` set, never exceptions."""
        ...


@runtime_checkable
class ToolServer(Protocol):
    """Something that is connected to, and then says which tools it has."""

    async def connect(self, keeper: TaskKeeper, /) -> Sequence[Tool]:
        """Return its tools, over a connection that lives as long as the keeper; another call uses the same.

        Raises:
            ConfigError: it does not start, or cannot be reached.
        """
        ...


Tools: TypeAlias = tuple[Tool | ToolServer, ...]
"""What a strategy's field `tools` holds."""
