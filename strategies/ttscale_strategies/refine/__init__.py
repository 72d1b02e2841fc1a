"""Strategies that look at earlier attempts: they refine them, compare them, or spend more where it pays."""

from __future__ import annotations

from ttscale_strategies.refine.hogwild_rounds import HogwildRounds
from ttscale_strategies.refine.knockout import Knockout
from ttscale_strategies.refine.league import League
from ttscale_strategies.refine.listwise import Listwise
from ttscale_strategies.refine.lucb_tournament import LucbTournament
from ttscale_strategies.refine.pacore import PaCoRe
from ttscale_strategies.refine.pairwise import Pairwise
from ttscale_strategies.refine.pdr import PDR
from ttscale_strategies.refine.scale import Scale
from ttscale_strategies.refine.self_revision import SelfRevision
from ttscale_strategies.refine.sequential_refine import SequentialRefine

__all__ = [
    "PDR",
    "HogwildRounds",
    "Knockout",
    "League",
    "Listwise",
    "LucbTournament",
    "PaCoRe",
    "Pairwise",
    "Scale",
    "SelfRevision",
    "SequentialRefine",
]
