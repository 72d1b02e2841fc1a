"""The command line: ``ttscale solve | eval | report | list | doctor``; see ``docs/cli.md``.

This package holds the commands of the engine room. Other packages bring theirs through the entry-point group
``ttscale.commands`` (built in: ``eval`` and ``report``): a function whose annotated parameters are its options.
Whatever is slow to import is imported inside a command, so that ``ttscale --help`` answers at once.
"""

from __future__ import annotations

from ttscale.cli.app import main

__all__ = ["main"]
