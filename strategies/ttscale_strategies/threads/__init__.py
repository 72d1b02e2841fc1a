"""Adaptive parallel threads: a model forks while it reasons, and its branches run at once."""

from __future__ import annotations

from ttscale_strategies.threads.parallel_prompts import ParallelPrompts
from ttscale_strategies.threads.protocol import Protocol, load_protocol, protocol_names
from ttscale_strategies.threads.reader import Outline, Reader
from ttscale_strategies.threads.threads import Threads

__all__ = ["Outline", "ParallelPrompts", "Protocol", "Reader", "Threads", "load_protocol", "protocol_names"]
