"""Separate processes for functions that are untrusted, may hang, or block.

1. A worker runs functions that *the caller* names, never code from a model. What comes from a model is data:
   plain JSON arguments.
2. Every call has a hard deadline in wall-clock seconds, and every process a limit on memory and processor
   time, enforced by the kernel. A process that breaks one is killed and replaced.
3. Workers die with their parent, whatever kills it.
4. Whatever a function prints or reads goes nowhere; it cannot disturb the replies. Environment variables are
   handed down by name only, so that no secret is in a worker's reach.
"""

from __future__ import annotations

from ttscale.workers.errors import WorkerCrashed, WorkerError, WorkerFailure, WorkerTimeout
from ttscale.workers.pool import Workers

__all__ = ["WorkerCrashed", "WorkerError", "WorkerFailure", "WorkerTimeout", "Workers"]
