"""Recorded samples for the tests of bank and replay."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ttscale.backends.base import Capabilities, ModelProfile
from ttscale.bank import NO_LOGPROBS, Bank, RecordedModel, RecordedSample, SampleHead, Settings
from ttscale.types import FinishReason, Prompt, SampleUsage

WARM = Settings(temperature=1.0)
ASKED = Prompt(token_ids=(1, 2, 3))


def model(name: str = "toy", *, seeds: bool = True, prefix_cache: bool = False) -> RecordedModel:
    """Return a model whose samples have token ids."""
    can = Capabilities(
        token_ids=True, logprobs=True, max_top_logprobs=2, seeds=seeds, prefix_cache=prefix_cache
    )
    profile = ModelProfile(name=name, context_length=100)
    return RecordedModel(fingerprint=f"of {name}", backend="fake", profile=profile, capabilities=can)


def sample(
    draw: int = 0,
    text: str = "abcd",
    *,
    seed: int | None = None,
    reason: FinishReason = "stop",
    max_tokens: int | None = 50,
    num_logprobs: int = NO_LOGPROBS,
    seconds: float | None = None,
    first: float | None = None,
    computed: int = 3,
) -> RecordedSample:
    """Return a sample of one token a character, a second a token where nothing else is said."""
    ids = tuple(map(ord, text))
    logprobs = [-0.5 - i for i in range(len(ids))]
    top = [
        {ids[i]: logprobs[i], 200: logprobs[i] - 1, 201: logprobs[i] - 0.5, 202: logprobs[i] + 0.25}
        for i in range(len(ids))
    ]
    head = SampleHead(
        draw=draw,
        num_logprobs=num_logprobs,
        seed=draw if seed is None else seed,
        max_tokens=max_tokens,
        finish_reason=reason,
        error="out of memory" if reason == "error" else None,
        usage=SampleUsage(prompt_computed=computed, prompt_cached=3 - computed, generated=len(ids)),
        seconds=float(len(ids)) if seconds is None else seconds,
        first_token_seconds=first,
    )
    return RecordedSample(
        head=head,
        text=text,
        token_ids=ids,
        logprobs=None if num_logprobs == NO_LOGPROBS else tuple(logprobs),
        top_logprobs=tuple(top) if num_logprobs > 0 else None,
    )


def fill(
    bank: Bank,
    samples: Sequence[RecordedSample],
    *,
    of: RecordedModel | None = None,
    prompt: Prompt = ASKED,
    settings: Settings = WARM,
) -> str:
    """Add samples of one prompt to a bank and return the key of their series."""
    recorded = of or model()
    bank.add_model(recorded)
    bank.add_vocabulary(recorded.fingerprint, {code: chr(code) for code in range(32, 127)})
    bank.add_encoding(recorded.fingerprint, Prompt.user("How much?"), prompt)
    key = bank.add_series(recorded.fingerprint, prompt, settings).key
    for one in samples:
        bank.add_sample(key, one, is_seeded=recorded.can_seed)
    return key


def bank_file(path: Path, samples: Sequence[RecordedSample], *, of: RecordedModel | None = None) -> Path:
    """Make a bank of samples of one prompt and return its path."""
    with Bank(path) as bank:
        fill(bank, samples, of=of)
    return path
