"""Which of a pool's models is replayed, and what its recording can do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ttscale.backends.base import Capabilities
from ttscale.bank import NO_LOGPROBS, Bank, RecordedModel
from ttscale.errors import ConfigError


def choose_model(models: Sequence[RecordedModel], recorded: str | None, *, pool: str) -> RecordedModel:
    """Return the model of that name.

    Args:
        models: those there are.
        recorded: its name, the last part of a name that is a path, or the beginning of its fingerprint;
            ``None``: the only one.
        pool: what messages call the place they are in.

    Raises:
        ConfigError: there is none of that name, or several.
    """
    names = ", ".join(f"{model.profile.name!r} ({model.fingerprint[:8]})" for model in models)
    if recorded is None:
        if len(models) != 1:
            raise ConfigError(
                f"{pool!r} holds samples of {len(models)} models: {names or 'none'}; "
                f"choose one with the option recorded=NAME."
            )
        return models[0]
    named = [model for model in models if recorded in (model.profile.name, Path(model.profile.name).name)]
    found = named or [model for model in models if model.fingerprint.startswith(recorded)]
    if len(found) != 1:
        problem = "several models" if found else "no model"
        raise ConfigError(
            f"{pool!r} holds {problem} called {recorded!r}; it holds {names or 'none'}; choose one of these."
        )
    return found[0]


def recorded_capabilities(bank: Bank, model: RecordedModel, *, order: int | None = None) -> Capabilities:
    """Return what can be asked of a recording: what could be asked of its backend, as far as it was.

    Args:
        bank: the samples.
        model: whose.
        order: of the deal; in an order of its own a seed says nothing.
    """
    can, most = model.capabilities, bank.max_logprobs(model.fingerprint)
    has_ids = can.token_ids and bank.has_token_ids(model.fingerprint)
    return replace(
        can,
        token_ids=has_ids,
        logprobs=most > NO_LOGPROBS,
        prompt_logprobs=False,
        max_top_logprobs=max(0, most),
        seeds=can.seeds and order is None,
        stream=has_ids,
        priority=False,
        rewards=False,
    )
