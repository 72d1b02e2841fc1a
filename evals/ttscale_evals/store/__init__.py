"""The run store: a directory a run, with a database of results that survives being killed at any moment."""

from __future__ import annotations

from ttscale_evals.store.cells import StoredCell
from ttscale_evals.store.database import Result, ResultStore, StoredTrace
from ttscale_evals.store.directory import RunDirectory

__all__ = ["Result", "ResultStore", "RunDirectory", "StoredCell", "StoredTrace"]
