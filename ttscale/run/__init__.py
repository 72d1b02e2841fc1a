"""The run: all a strategy sees of engine, budget, scheduler and trace."""

from __future__ import annotations

from ttscale.run.block import Piece, PieceBlock, SampleBlock
from ttscale.run.question import question_of, worded
from ttscale.run.run import Best, BudgetView, Run
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
