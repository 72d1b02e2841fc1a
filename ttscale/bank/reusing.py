"""Which samples of a request a bank holds already, and need not be drawn again.

A sample is known by its model, its prompt, whatever of the sampling decides which tokens are drawn, and its
seed, which a run derives from its own seed, the problem and the sample's index. On an engine that can seed, the
recording under a seed is what it would draw again. On one that cannot, it is what it drew in this place; of
several, the first.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from ttscale.backends.base import Request
from ttscale.bank.bank import Bank
from ttscale.bank.sample import RecordedModel, RecordedSample, SampleHead, Settings, prompt_digest, series_key
from ttscale.bank.take import Take, take
from ttscale.errors import DataError
from ttscale.types import SampleUsage

_LOG = logging.getLogger(__name__)


class Holdings:
    """What a bank holds of a model, sample by sample."""

    def __init__(self, bank: Bank, model: RecordedModel, vocabulary: Mapping[int, str]) -> None:
        """Look into a bank.

        Args:
            bank: the samples; what is added later is found too.
            model: whose.
            vocabulary: text of its token ids.
        """
        self._bank = bank
        self._model = model
        self._vocabulary = vocabulary

    def of(self, request: Request) -> dict[int, Take]:
        """Return those samples of a request that are held, by their index within it.

        Only whole ones serve: what was stopped, failed, or ended at a lower limit than is asked for is not what
        the request would bring. One that cannot be read is left to be drawn again.
        """
        settings = Settings.of(request.sampling)
        key = series_key(self._model.fingerprint, prompt_digest(request.prompt), settings)
        found = dict[int, Take]()
        try:
            heads = self._bank.heads(key, None if settings.is_greedy else request.seeds)
            serving = [head for head in heads if head.serves(request.sampling) and head.seconds is not None]
            taken = dict[SampleHead, Take | None]()
            for index, seed in enumerate(request.seeds):
                head = next((head for head in serving if settings.is_greedy or head.seed == seed), None)
                if head is None:
                    continue
                if head not in taken:
                    taken[head] = self._take(self._bank.sample(key, head), request)
                if (held := taken[head]) is not None:
                    found[index] = held
        except DataError as error:
            _LOG.warning("recorded samples are drawn again: %s", error)
        return found

    def _take(self, sample: RecordedSample, request: Request) -> Take | None:
        """Return a sample under a request's limits; ``None``: the bank does not hold all of it."""
        has_ids = len(sample.token_ids) == sample.head.usage.generated
        if sample.text is None or (self._model.capabilities.token_ids and not has_ids):
            return None
        held = take(sample, request.sampling, tokens_per_second=1.0, vocabulary=self._vocabulary)
        is_cut = held.num_tokens < sample.head.usage.generated
        return None if is_cut and held.ends is None else held  # where its text would be cut is not known


def prompt_usages(takes: Sequence[Take], *, with_fresh: bool) -> list[SampleUsage]:
    """Return what the prompt of a request costs those of its samples that are held.

    It is computed once for a request: for the first sample that is drawn, else for the first that is held,
    which pays what the one that paid when they were recorded did.

    Args:
        takes: >= 1.
        with_fresh: whether other samples of the request are drawn.
    """
    recorded = [held.sample.head.usage for held in takes]
    total = max(usage.prompt_computed + usage.prompt_cached for usage in recorded)
    shared = SampleUsage(prompt_cached=total)
    if with_fresh:
        return [shared] * len(takes)
    paid = max(usage.prompt_computed for usage in recorded) or total
    return [
        SampleUsage(prompt_computed=paid, prompt_cached=total - paid),
        *[shared] * (len(takes) - 1),
    ]
