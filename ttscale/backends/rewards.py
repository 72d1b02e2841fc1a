"""Reward models: which checkpoints are some, and from their logits to rewards. Pure; no engine needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from ttscale.errors import BackendError, BackendUnavailable, ParameterError

_TWO_LAYERS: Final = {"Qwen2ForProcessRewardModel": 2, "Qwen2ForRewardModel": 1}
"""Architectures with a head of two layers, and how many labels it has whatever the configuration says."""


def logistic(value: float) -> float:
    """Return 1 / (1 + exp(-value)), without ever raising e to a large power."""
    part = math.exp(-abs(value))
    return 1 / (1 + part) if value >= 0 else part / (1 + part)


@dataclass(frozen=True, slots=True)
class RewardHead:
    """What a reward model has in place of a next token.

    Attributes:
        grades: each step of a text (a process reward model), or the whole (an outcome reward model).
        num_labels: one logit, of being good, or two: of being bad and of being good.
        num_layers: of the head.
    """

    grades: Literal["steps", "whole"]
    num_labels: int
    num_layers: int = 1

    def reward(self, logits: Sequence[float]) -> float:
        """Return the probability of being good, in [0, 1].

        Args:
            logits: shape [num_labels].
        """
        bad, good = (0.0, *logits) if len(logits) == 1 else logits
        return logistic(good - bad)

    def positions(self, token_ids: Sequence[int], step_id: int | None, *, model: str) -> list[int]:
        """Return where the rewards of a text are read off.

        Args:
            token_ids: of the text.
            step_id: the token that ends each step; only for a model that grades steps.
            model: its name, for messages.

        Raises:
            BackendError: there is no token to read one off.
        """
        if self.grades == "whole":
            found = [len(token_ids) - 1] if token_ids else []
        else:
            found = [at for at, token_id in enumerate(token_ids) if token_id == step_id]
        if not found:
            what = "step that ends with the step token" if token_ids else "token"
            raise BackendError(f"there is nothing for {model!r} to grade: the text has no {what}")
        return found

    def check_step_token(self, step_token: str | None, *, model: str) -> None:
        """Refuse a step token where there is none to give, and its absence where there is.

        Raises:
            ParameterError: naming the mend.
        """
        if self.grades == "steps" and step_token is None:
            raise ParameterError(f"{model!r} grades steps; say in step_token which token ends one.")
        if self.grades == "whole" and step_token is not None:
            raise ParameterError(
                f"{model!r} grades whole texts, not steps; use it as an outcome reward model (verifier 'orm')."
            )


def unknown_step_token(step_token: str, *, model: str) -> ParameterError:
    """Return the error that a tokenizer has no such token."""
    return ParameterError(
        f"step_token={step_token!r} is not one token of {model!r}; name the one it was trained to grade at."
    )


def reward_head(architectures: Sequence[str], num_labels: int, *, model: str) -> RewardHead | None:
    """Return a checkpoint's reward head, or ``None`` if it has none.

    Args:
        architectures: as its ``config.json`` names them.
        num_labels: classes that it tells apart, where it is a classifier.
        model: its name, for messages.

    Raises:
        BackendUnavailable: it is a classifier, but not of good and bad.
    """
    name = architectures[0] if architectures else ""
    if name in _TWO_LAYERS:
        grades: Literal["steps", "whole"] = "steps" if "Process" in name else "whole"
        return RewardHead(grades, num_labels=_TWO_LAYERS[name], num_layers=2)
    if not name.endswith(("ForSequenceClassification", "ForTokenClassification")):
        return None
    if num_labels not in (1, 2):
        raise BackendUnavailable(
            f"{model!r} tells {num_labels} classes apart, so it is no reward model; one has 1 or 2 labels"
        )
    return RewardHead("steps" if name.endswith("ForTokenClassification") else "whole", num_labels=num_labels)
