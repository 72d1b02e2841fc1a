"""Virtual time: an event loop that jumps to its next timer, and what else is needed to work on one.

On such a loop a deadline (`asyncio.timeout`), a budget's seconds, the scheduler and a backend that only sets
timers all read one and the same clock, so a recorded hour is replayed in the time its events take to handle.
"""

from __future__ import annotations

from ttscale.virtual.loop import Deadlock, RealWait, VirtualLoop, run_virtual
from ttscale.virtual.pace import Pace
from ttscale.virtual.workers import BlockingWorkers

__all__ = ["BlockingWorkers", "Deadlock", "Pace", "RealWait", "VirtualLoop", "run_virtual"]
