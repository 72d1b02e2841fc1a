"""In how many subsets of its samples a problem's right answer has the majority, by counting."""

from __future__ import annotations

from math import comb

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def majority_chances(votes: NDArray[np.int64], worth: Floats, num_silent: int, max_k: int) -> Floats:
    """Return the expected worth of the majority among k of a problem's samples, over all subsets, for every k.

    A class with the most votes in a subset shares the win with those tied with it. The subsets in which a class
    has v votes and wins are counted by the product, over the other classes, of polynomials in x (samples
    taken) and y (classes tied at v votes): C(c, 0) + ... + C(c, v - 1) x^(v - 1) + y C(c, v) x^v for a class of
    c samples; whatever cannot get to v votes is free, (1 + x)^(number of samples). All terms are positive,
    so nothing cancels.

    Args:
        votes: samples of each class of equal answers, >= 1, shape [num_classes].
        worth: of each class when it wins, such as 1 of the right one and 0 of others, shape [num_classes].
        num_silent: samples that do not vote.
        max_k: the greatest k, at most the number of samples; at most 1000 samples, beyond which the counts
            would overflow.

    Returns:
        For k = 1 to max_k, shape [max_k].
    """
    num_samples = int(votes.sum()) + num_silent
    wins = np.zeros(max_k + 1)
    for number in np.flatnonzero(worth):
        others = np.delete(votes, number)
        own = int(votes[number])
        for v in range(1, min(own, max_k) + 1):
            ways = _ways_to_win(others, num_samples - own - int(others.sum()), v, max_k - v)
            wins[v:] += float(worth[number]) * comb(own, v) * ways
    return np.array([wins[k] / float(comb(num_samples, k)) for k in range(1, max_k + 1)])


def _ways_to_win(others: NDArray[np.int64], num_silent: int, v: int, max_taken: int) -> Floats:
    """Return the ways to take 0 to max_taken samples of others such that no class has more than v votes.

    A way in which t classes have v votes counts 1 / (t + 1): the win is shared.

    Returns:
        Shape [max_taken + 1].
    """
    rivals = others[others >= v]
    free = num_silent + int(others.sum() - rivals.sum())
    max_tied = min(len(rivals), max_taken // v)
    ways = np.zeros((max_tied + 1, max_taken + 1))
    ways[0] = [float(comb(free, taken)) for taken in range(max_taken + 1)]
    for size in rivals.tolist():
        more = np.zeros_like(ways)
        for taken in range(min(v, max_taken + 1)):
            more[:, taken:] += float(comb(size, taken)) * ways[:, : max_taken + 1 - taken]
        if max_tied:
            more[1:, v:] += float(comb(size, v)) * ways[:-1, : max_taken + 1 - v]
        ways = more
    shares: Floats = 1.0 / np.arange(1, max_tied + 2)
    return shares @ ways
