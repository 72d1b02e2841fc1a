"""Reward models in transformers: a body with a small head, read off where a text ends or its steps do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, cast

import torch
import transformers
from torch import Tensor, nn

from ttscale.backends.rewards import RewardHead
from ttscale.errors import BackendUnavailable

Text = tuple[Sequence[int], Sequence[int]]
"""Token ids, and the positions whose rewards are wanted."""

_HEAD: Final = "score"
"""What decoder-only models call their head."""


class _TwoLayers(transformers.Qwen2PreTrainedModel):  # type: ignore[misc]  # transformers is untyped here
    """A Qwen2 with the head of Qwen2.5-Math-PRM and -RM (Zhang et al. 2025, arXiv:2501.07301)."""

    _keys_to_ignore_on_load_unexpected = ["lm_head"]  # noqa: RUF012  # as its parent has it

    def __init__(self, config: transformers.Qwen2Config) -> None:
        super().__init__(config)
        width, num_labels = config.hidden_size, config.num_labels or 0
        self.model = transformers.Qwen2Model(config)
        self.score = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, num_labels))
        self.post_init()


def load_weights(
    head: RewardHead, source: str, config: transformers.PretrainedConfig, **options: object
) -> nn.Module:
    """Return a reward model with its weights.

    Args:
        head: its head, see `ttscale.backends.rewards.reward_head`.
        source: a directory, or an id on the hub.
        config: its configuration.
        **options: of `from_pretrained`.

    Raises:
        BackendUnavailable: weights are missing, or the head is not where decoder-only models have it.
        Exception: whatever transformers raises.
    """
    config.num_labels = head.num_labels
    if head.num_layers == 2:
        kind = _TwoLayers
    elif head.grades == "whole":
        kind = transformers.AutoModelForSequenceClassification
    else:
        kind = transformers.AutoModelForTokenClassification
    load = cast("Callable[..., tuple[nn.Module, dict[str, list[str]]]]", kind.from_pretrained)
    model, info = load(source, config=config, output_loading_info=True, **options)
    if missing := sorted(info["missing_keys"]):
        raise BackendUnavailable(
            f"the checkpoint {source!r} lacks the weights {missing[0]!r} of a reward model"
        )
    if not isinstance(getattr(model, _HEAD, None), nn.Module):
        raise BackendUnavailable(
            f"{type(model).__name__} has no head called {_HEAD!r}, as decoder-only models do; use vllm:{source}"
        )
    return model


class RewardModel:
    """Grades batches of texts.

    Args:
        model: a decoder-only transformer with a head called ``score``, in evaluation mode.
        head: what the head's logits mean.
    """

    def __init__(self, model: nn.Module, head: RewardHead) -> None:
        self.head = head
        self.device: torch.device = next(model.parameters()).device
        self._transformer = cast("transformers.PreTrainedModel", model).base_model
        self._score = cast("Callable[[Tensor], Tensor]", getattr(model, _HEAD))

    def rewards(self, texts: Sequence[Text]) -> list[tuple[float, ...]]:
        """Return each text's rewards, at the positions that it names.

        Texts are filled up at their ends, which no token before can see.
        """
        longest = max(len(ids) for ids, _ in texts)
        padded = [[*ids, *[0] * (longest - len(ids))] for ids, _ in texts]
        tokens = torch.tensor(padded, device=self.device)
        lengths = torch.tensor([len(ids) for ids, _ in texts], device=self.device)
        mask = torch.arange(longest, device=self.device) < lengths[:, None]
        hidden: Tensor = self._transformer(
            input_ids=tokens, attention_mask=mask.long(), use_cache=False
        ).last_hidden_state
        rows = [row for row, (_, positions) in enumerate(texts) for _ in positions]
        columns = [column for _, positions in texts for column in positions]
        logits: list[list[float]] = self._score(hidden[rows, columns]).float().tolist()
        values = iter(map(self.head.reward, logits))
        return [tuple(next(values) for _ in positions) for _, positions in texts]
