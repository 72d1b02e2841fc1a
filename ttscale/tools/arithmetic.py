"""Sums, differences and products of whole numbers: ``function:function=ttscale.tools.arithmetic:add``."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Field

Number: TypeAlias = Annotated[int, Field(ge=-(10**1000), le=10**1000)]
"""A whole number of at most a thousand digits: nothing here takes long."""


async def add(left: Number, right: Number) -> int:
    """Add two whole numbers."""
    return left + right


async def subtract(left: Number, right: Number) -> int:
    """Subtract the right whole number from the left one."""
    return left - right


async def multiply(left: Number, right: Number) -> int:
    """Multiply two whole numbers."""
    return left * right
