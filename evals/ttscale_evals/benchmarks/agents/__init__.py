"""Benchmarks for agents: problems that come with tools, plans whose shape is known, and their own measures."""

from __future__ import annotations
