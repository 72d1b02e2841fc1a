"""Matching what was given with what was wanted, one to one."""

from __future__ import annotations

from collections.abc import Sequence


def maximum_matching(fits: Sequence[Sequence[bool]]) -> list[int | None]:
    """Return a largest matching of rows to columns.

    Args:
        fits: whether a row and a column may be matched, shape [num_rows, num_columns].

    Returns:
        Of each row the column it is matched to, or ``None``; no column twice.
    """
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    matched: list[int | None] = [None] * len(fits)
    if not fits or not fits[0]:
        return matched
    rows, columns = linear_sum_assignment(np.asarray(fits, dtype=np.float64), maximize=True)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if fits[row][column]:
            matched[row] = column
    return matched


def greedy_matching(fits: Sequence[Sequence[bool]]) -> list[int | None]:
    """Return the matching in which each row, in order, takes the first column that is left and fits.

    It can be smaller than the largest: a row may take the only column that a later one could have had.
    Arguments and what is returned as `maximum_matching`.
    """
    taken = set[int]()
    columns = list[int | None]()
    for row in fits:
        column = next((place for place, is_fit in enumerate(row) if is_fit and place not in taken), None)
        columns.append(column)
        if column is not None:
            taken.add(column)
    return columns
