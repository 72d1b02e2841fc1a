"""Ways of solving that a model can choose from, for tracks that go different ways (SSR)."""

from __future__ import annotations

from typing import Final

HINTS: Final = (
    "Translate the question into equations: name the unknowns, write down what is known, solve.",
    "Work backwards: begin with what is asked and find what must hold just before it.",
    "Try small or special cases first, look for the pattern, and make sure that it holds in general.",
    "Split the question into cases that leave nothing out and do not overlap, and settle each.",
    "Look for what never changes: an invariant, a parity, a sum that stays the same, a symmetry.",
    "Draw it: put points, lengths and angles into coordinates or a figure, and use geometry.",
    "Count in two ways, or set up a correspondence with something that is easier to count.",
    "Bound the quantity from both sides: estimate how large and how small it can be, and show what is reached.",
    "Use divisibility: factors, remainders, and what they exclude.",
    "Write down a recursion from one size to the next, and unroll it.",
    "Replace what is complicated: substitute, rescale, complete the square, or simplify before computing.",
    "Assume the opposite, or a simple guess, and use where it fails to correct it.",
)
"""Twelve, like the pool of SSR (arXiv:2505.15340), in our own words."""

NO_HINT: Final = "Choose the way that suits the question best."
"""What a track is told where none of the hints was chosen."""
