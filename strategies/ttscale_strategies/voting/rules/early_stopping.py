"""Early-stopping self-consistency: draw windows of samples until one is unanimous."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ttscale_strategies.checks import require_all_at_least
from ttscale_strategies.voting.rules.majority import majority, unanimous
from ttscale_strategies.voting.rules.stopped import Stopped


def early_stopping(keys: Sequence[str | None], *, window: int = 5) -> Stopped:
    """Return where ESC stops in a sequence of answers: after the first window whose answers are all the same.

    Li et al. 2024, arXiv:2401.10480. The answer is that window's, which need not be the majority of all drawn.
    A sample without an answer breaks unanimity. If no window is unanimous the majority of all wins; so it does
    where only a last window that is not full would be, as nothing is left to save there.

    Args:
        keys: answer keys in the order drawn, shape [max_samples].
        window: samples drawn at a time, >= 1.

    Raises:
        ValueError: window is less than 1.
    """
    if window < 1:
        raise ValueError(f"window must be >= 1, got {window!r}")
    for end in range(window, len(keys) + 1, window):
        if (key := unanimous(keys[end - window : end])) is not None:
            return Stopped(key, end, is_early=True)
    winner = majority(keys)
    return Stopped(winner.key if winner else None, len(keys), is_early=False)


def expected_samples(probabilities: Sequence[float], *, window: int = 5, max_samples: int = 40) -> float:
    """Return how many samples ESC draws on average, if answers are drawn independently.

    arXiv:2401.10480. A window is unanimous with q = Σ p_j^window, so with m = max_samples / window it is
    window · (1 - (1 - q)^m) / q. A last window that is not full is drawn if none before it was unanimous.

    Args:
        probabilities: of each answer, in [0, 1], shape [num_answers]; what they lack of 1 is no answer.
        window: samples drawn at a time, >= 1.
        max_samples: >= 0.

    Raises:
        ValueError: a number is out of its range, or the probabilities sum to more than 1.
    """
    require_all_at_least(probabilities, 0.0, "probabilities")
    if math.fsum(probabilities) > 1.0 + 1e-9:
        raise ValueError(f"the probabilities sum to {math.fsum(probabilities)!r}, more than 1")
    if window < 1 or max_samples < 0:
        raise ValueError(f"window must be >= 1 and max_samples >= 0, got {window!r} and {max_samples!r}")
    full, rest = divmod(max_samples, window)
    unanimity = min(math.fsum(p**window for p in probabilities), 1.0)
    if unanimity == 1.0:
        return float(window if full else rest)
    # 1 - (1 - q)^m without cancellation where q is small
    stopped = -math.expm1(full * math.log1p(-unanimity))
    windows = stopped / unanimity if unanimity > 0.0 else float(full)
    return window * windows + rest * (1.0 - stopped)
