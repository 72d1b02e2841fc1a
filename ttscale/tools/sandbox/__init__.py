"""Python code of a model in a process that the kernel has locked in; see `docs/tools.md`."""

from __future__ import annotations

from ttscale.tools.sandbox.process import Finished, Protection, SandboxLimits, run_locked_in
from ttscale.tools.sandbox.python import PythonSandbox

__all__ = ["Finished", "Protection", "PythonSandbox", "SandboxLimits", "run_locked_in"]
