"""The run: all a strategy sees of engine, budget, scheduler and trace."""

from __future__ import annotations

from ttscale.run.best import Best
from ttscale.run.block import Piece, PieceBlock, SampleBlock
from ttscale.run.budget_view import BudgetView
from ttscale.run.question import question_of, worded
from ttscale.run.run import Run
from ttscale.run.seeds import derive_seed

__all__ = [
    "Best",
    "BudgetView",
    "Piece",
    "PieceBlock",
    "Run",
    "SampleBlock",
    "derive_seed",
    "question_of",
    "worded",
]
