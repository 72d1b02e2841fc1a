"""The tool that runs a model's Python code."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, get_args

from ttscale.tools.arguments import read_text, schema_of_texts
from ttscale.tools.sandbox.process import (
    Finished,
    Protection,
    SandboxLimits,
    SandboxRefused,
    run_locked_in,
)
from ttscale.tools.threads import in_real_time
from ttscale.tools.tool import ToolResult
from ttscale.types import JSON

_ALL: Final[tuple[Protection, ...]] = get_args(Protection)


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonSandbox:
    """Runs Python code in a process of its own that the kernel has locked in (Linux).

    It has the standard library, an empty folder in memory, and nothing else: no network, no other files, no
    further process or thread, no environment, and bounded memory, time and output. Where the machine does not
    permit a protection that is required, nothing is run and the result says why; see `docs/tools.md`.
    """

    limits: SandboxLimits = field(default_factory=SandboxLimits)
    """What the code may use."""
    requires: tuple[Protection, ...] = _ALL
    """Without these nothing is run; what is not named is put up where the machine permits it."""
    name: str = "python"
    """What models call it."""
    description: str = (
        "Runs a Python 3 program and returns what it prints, and the value of an expression in its last line. "
        "Standard library only, no network, no files, nothing is kept between calls."
    )
    """What models are told of it."""
    parameters: Mapping[str, JSON] = field(
        default_factory=lambda: schema_of_texts(code="The whole program."),
        init=False,
        repr=False,
        compare=False,
    )
    """JSON Schema of the arguments."""

    async def call(self, arguments: Mapping[str, JSON], /) -> ToolResult:
        """Run ``code``: what it printed, or an error with that and how it ended."""
        code = read_text(arguments, "code")
        if isinstance(code, ToolResult):
            return code
        try:
            finished = await in_real_time(lambda: run_locked_in(code, self.limits, self.requires))
        except (SandboxRefused, OSError) as error:
            return ToolResult(error=f"{self.name}: {error}")
        output = finished.output.rstrip("\n")
        if finished.num_left_out:
            output += f"\n… {finished.num_left_out} more bytes …"
        if finished.status == 0:
            return ToolResult(value=output)
        return ToolResult(error=f"{self._end(finished)}\n{output}".rstrip())

    def _end(self, finished: Finished) -> str:
        status = finished.status
        if status is None:
            return f"the program took longer than {self.limits.seconds:g} s and was killed"
        if status == -signal.SIGKILL:
            return "the program was killed: it used up its processor time or the machine's memory"
        if status < 0:
            return f"the program died of {signal.Signals(-status).name}"
        return f"the program ended with exit status {status}"
