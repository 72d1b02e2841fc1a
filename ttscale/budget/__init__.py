"""Budgets, the ledger that cannot be overrun, and what tokens cost."""

from __future__ import annotations

from ttscale.budget.budget import Budget
from ttscale.budget.cost import CostModel, Price, PriceTable, decode_bytes, forward_flops, positions_attended
from ttscale.budget.ledger import Amount, Reservation, Scope

__all__ = [
    "Amount",
    "Budget",
    "CostModel",
    "Price",
    "PriceTable",
    "Reservation",
    "Scope",
    "decode_bytes",
    "forward_flops",
    "positions_attended",
]
