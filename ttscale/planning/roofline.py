"""How long a strategy takes on a machine, by what has to be computed and read: a roofline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ttscale.backends.base import ModelProfile
from ttscale.budget.cost import forward_flops
from ttscale.planning.hardware import Hardware

Bound = Literal["compute", "memory", "steps"]
"""What decoding waits for: arithmetic, reading, or what each step takes beside both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one question asks of the engine; means, >= 0."""

    prompt_computed: float
    """Prompt tokens run through the model."""
    generated: float
    """Generated tokens, of all that is decoded."""
    critical_path_tokens: float
    """Decode steps one after the other."""
    kv_token_steps: float
    """Positions read by attention, summed over decoded tokens."""
    peak_kv_tokens: float
    """Most tokens in the cache at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Whether a model and its caches fit the memory."""

    weight_bytes: float
    kv_bytes: float
    """Of all questions at work at once."""
    usable_bytes: float
    max_questions: int
    """That fit at once; 0: not even one."""

    @property
    def is_fitting(self) -> bool:
        """Whether all of it fits."""
        return self.weight_bytes + self.kv_bytes <= self.usable_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds of one question, while as many are at work as was asked for."""

    prefill_seconds: float
    decode_seconds: float
    bound: Bound

    @property
    def seconds(self) -> float:
        """Both together."""
        return self.prefill_seconds + self.decode_seconds


def fit(profile: ModelProfile, hardware: Hardware, load: Load, *, concurrency: int = 1) -> Fit | None:
    """Return whether weights and key-value caches fit; ``None``: the model's geometry is not known.

    Of a mixture of experts only the active parameters are known, which need less than all do.

    Args:
        profile: the model.
        hardware: its memory.
        load: of a question.
        concurrency: questions at work at once, >= 1.
    """
    if profile.num_parameters is None or profile.bytes_per_parameter is None:
        return None
    if profile.kv_bytes_per_token is None:
        return None
    weights = profile.num_parameters * profile.bytes_per_parameter
    each = profile.kv_bytes_per_token * load.peak_kv_tokens
    usable = hardware.usable_memory * hardware.memory_bytes
    room = max(0.0, usable - weights)
    return Fit(
        weight_bytes=weights,
        kv_bytes=concurrency * each,
        usable_bytes=usable,
        max_questions=int(room // each) if each else concurrency * (weights <= usable),
    )


def latency(profile: ModelProfile, hardware: Hardware, load: Load, *, concurrency: int = 1) -> Latency | None:
    """Return how long a question takes; ``None``: the model's geometry is not known.

    With C questions at work, each of S decode steps one after the other (the critical path), a step reads the
    weights once for all of them, and every sequence's cache:

        decode = max(C · FLOPs / compute, (S · weights + C · cache · token-steps) / bandwidth) + S · overhead
        prefill = C · FLOPs of the computed prompt tokens / compute

    where compute and bandwidth are the peaks times their efficiencies. That decoding waits for the slower of
    both and never for both is the best case; samples that end at different times leave the batch smaller than
    is taken here on average, which changes nothing while reading weights dominates. Cached tokens that
    sequences share are read for each of them.

    Args:
        profile: the model.
        hardware: the machine.
        load: of a question.
        concurrency: questions at work at once, >= 1.
    """
    if profile.num_parameters is None or profile.bytes_per_parameter is None:
        return None
    if profile.kv_bytes_per_token is None or profile.num_heads is None:
        return None
    prefill_flops = forward_flops(profile, context=0, new_tokens=round(load.prompt_computed)) or 0.0
    compute = hardware.compute_efficiency * hardware.flops_per_second
    bandwidth = hardware.memory_efficiency * hardware.bytes_per_second
    computing = concurrency * decode_flops(profile, load) / compute
    weights = profile.num_parameters * profile.bytes_per_parameter
    cache = profile.kv_bytes_per_token * load.kv_token_steps
    reading = (load.critical_path_tokens * weights + concurrency * cache) / bandwidth
    overhead = load.critical_path_tokens * hardware.seconds_per_step
    bound: Bound = "compute" if computing > reading else "memory"
    return Latency(
        prefill_seconds=concurrency * prefill_flops / compute,
        decode_seconds=max(computing, reading) + overhead,
        bound="steps" if overhead > max(computing, reading) else bound,
    )


def decode_flops(profile: ModelProfile, load: Load) -> float:
    """Return the FLOPs of decoding: 2 per parameter and token, and attention's 4 · width per position read.

    0 without a parameter count; attention is left out where the geometry is unknown.
    """
    linear = 2.0 * (profile.num_parameters or 0) * load.generated
    if profile.num_layers is None or profile.num_heads is None or profile.head_dim is None:
        return linear
    return linear + 4.0 * profile.num_layers * profile.num_heads * profile.head_dim * load.kv_token_steps
