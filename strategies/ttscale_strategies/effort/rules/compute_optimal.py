"""Compute-optimal scaling: how hard a question is, and what a larger model would cost instead."""

from __future__ import annotations

from collections.abc import Sequence

from ttscale_strategies.checks import require_at_least, require_share


def difficulty_bins(pass_rates: Sequence[float], num_bins: int = 5) -> list[int]:
    """Return the difficulty bin of each question, 0 the hardest, `num_bins` - 1 the easiest.

    Snell et al. 2024, arXiv:2408.03314, who count from 1 for the easiest. Questions are ranked by their pass
    rate, those with equal ones in the order given, and cut into bins of n // num_bins; what is left over goes,
    one each, to the hardest bins. With fewer questions than bins the easiest bins stay empty.
    What is then chosen for a bin must be chosen on other questions than those it is measured on.

    Args:
        pass_rates: of one sample, estimated from many (the paper's oracle, of 2048), or the mean score of a
            verifier where no answer is known (predicted difficulty); in [0, 1], shape [num_questions].
        num_bins: >= 1.

    Returns:
        Shape [num_questions], in the order given.

    Raises:
        ValueError: a pass rate lies outside [0, 1], or num_bins is less than 1.
    """
    require_at_least(num_bins, 1, "num_bins")
    for index, pass_rate in enumerate(pass_rates):
        require_share(pass_rate, f"pass_rates[{index}]")
    ranked = sorted(range(len(pass_rates)), key=pass_rates.__getitem__)
    least, left_over = divmod(len(ranked), num_bins)
    bins = [0] * len(ranked)
    start = 0
    for bin_index in range(num_bins):
        end = start + least + (bin_index < left_over)
        for question in ranked[start:end]:
            bins[question] = bin_index
        start = end
    return bins


def pretraining_multiplier(size_ratio: float, pretraining_per_inference: float) -> float:
    """Return how many times as much inference a model may use that stands in for one M times its size.

    arXiv:2408.03314: pretraining a model of N parameters on D_pre tokens takes 6·N·D_pre FLOPs, D_inf tokens
    of inference take 2·N·D_inf. At equal FLOPs over both, the smaller model may infer
    M + 3 · (D_pre / D_inf) · (M − 1) times as many tokens as the larger one would.

    **Which way round**: the argument here is D_pre / D_inf. The paper's R is the inverse, D_inf / D_pre: its
    R = 10 (much inference) is .1 here and its R = .1 (little inference) is 10. The more was spent on
    pretraining for every token inferred, the more inference the smaller model may use.

    Args:
        size_ratio: M, >= 1.
        pretraining_per_inference: D_pre / D_inf, tokens of pretraining for every token of inference of the
            larger model, >= 0.

    Returns:
        At least `size_ratio`.

    Raises:
        ValueError: a number is out of its range.
    """
    require_at_least(size_ratio, 1.0, "size_ratio")
    require_at_least(pretraining_per_inference, 0.0, "pretraining_per_inference")
    return size_ratio + 3.0 * pretraining_per_inference * (size_ratio - 1.0)
