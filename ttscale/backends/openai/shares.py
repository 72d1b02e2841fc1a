"""Who pays for what, when a server bills several samples as one."""

from __future__ import annotations

from collections.abc import Sequence


def split_tokens(total: int, counted: Sequence[int | None], weights: Sequence[int]) -> list[int]:
    """Split a bill among samples so that the parts sum to it exactly.

    Args:
        total: billed tokens, >= 0.
        counted: tokens of each sample where they are known exactly, else ``None``.
        weights: what the rest is split by, the length of each sample's text, say; all zero counts as equal.

    Returns:
        Tokens of each sample, shape ``[len(counted)]``. What the known counts leave is split among the others
        by weight, in whole tokens by largest remainder, ties to the first. Where no count is missing, or the
        counts exceed the bill, the bill itself is split in proportion to what each would have had.
    """
    if not counted:
        return []
    missing = [index for index, count in enumerate(counted) if count is None]
    rest = total - sum(count or 0 for count in counted)
    if rest == 0 and not missing:
        return [count or 0 for count in counted]
    if missing and rest >= 0:
        parts = iter(_apportion(rest, [weights[index] for index in missing]))
        return [next(parts) if count is None else count for count in counted]
    return _apportion(
        total, [weights[index] if count is None else count for index, count in enumerate(counted)]
    )


def _apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Split a whole number in proportion to weights by largest remainder."""
    whole = sum(weights)
    if whole == 0:
        weights, whole = [1] * len(weights), len(weights)
    parts = [total * weight // whole for weight in weights]
    remainders = [total * weight % whole for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda index: (-remainders[index], index))
    for index in by_remainder[: total - sum(parts)]:
        parts[index] += 1
    return parts
