"""Engine settings: what we ask of vLLM where the user says nothing. Pure; no vLLM needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from ttscale.backends.base import ModelProfile
from ttscale.errors import ParameterError
from ttscale.types import JSON

Arguments = Mapping[str, JSON]
"""Arguments of vLLM's `AsyncEngineArgs` by name."""

ALWAYS: Final[Arguments] = {
    # Sampling defaults come with each request, never from a file the engine reads on its own.
    "generation_config": "vllm",
    "scheduling_policy": "priority",
    # Statistics double the front end's work per token.
    "disable_log_stats": True,
    "use_tqdm_on_load": False,
}

CPU_NUM_SEQS: Final = 128
"""Samples advanced at once on a CPU.

Of 512 samples, 32 at once ran at 0.6, 64 at 0.8 and 128 at 0.9 of the throughput of 256 (small model, one
core). The fewer are under way, the less is lost when a question is decided early.
"""

SMALL_WEIGHTS_BYTES: Final = 64 << 20
"""Up to this size on disk a model runs best on one CPU thread in the engine's own process."""

_SMALL_CACHE_BYTES: Final = 256 << 20
_LARGE_CACHE_BYTES: Final = 4 << 30
_MIN_BATCHED_TOKENS: Final = 4096


def is_small(model: str) -> bool:
    """Return whether a model directory holds at most `SMALL_WEIGHTS_BYTES` of weights; False for hub ids."""
    directory = Path(model)
    if not directory.is_dir():
        return False
    files = [*directory.glob("*.safetensors"), *directory.glob("*.bin")]
    return bool(files) and sum(file.stat().st_size for file in files) <= SMALL_WEIGHTS_BYTES


def cpu_arguments(given: Arguments, *, small: bool) -> Arguments:
    """Return the arguments for a CPU as far as they do not depend on the model's geometry; `given` ones win."""
    chosen: dict[str, JSON] = {
        "max_num_seqs": CPU_NUM_SEQS,
        "block_size": 32,  # the least it takes; smaller blocks are reused more
        "enforce_eager": True,
        # A seeded request whose prefill is cut into chunks kills the engine on a CPU.
        "enable_chunked_prefill": False,
        **given,
    }
    if small and chosen.get("dtype", "auto") == "auto":
        chosen["dtype"] = "float32"  # three times as fast as bfloat16 where there is no hardware for that
    return chosen


def cpu_sizes(arguments: Arguments, profile: ModelProfile, *, small: bool) -> Arguments:
    """Return the arguments completed by what follows from the model's geometry.

    The key-value cache has room for `max_num_seqs` samples of full length, within a limit: vLLM touches all of
    it at the start. One sample of full length always fits.
    """
    length = profile.context_length
    if length is None:
        return arguments
    sized: dict[str, JSON] = {"max_num_batched_tokens": max(_MIN_BATCHED_TOKENS, length)}
    if profile.kv_bytes_per_token is not None:
        block = _whole(arguments.get("block_size"), 32)
        one = int(profile.kv_bytes_per_token * (length + 2 * block))
        wanted = one * _whole(arguments.get("max_num_seqs"), CPU_NUM_SEQS)
        limit = _SMALL_CACHE_BYTES if small else _LARGE_CACHE_BYTES
        sized["kv_cache_memory_bytes"] = max(2 * one, min(wanted, limit))
    return {**sized, **arguments}


def _whole(value: JSON, default: int) -> int:
    return value if isinstance(value, int) else default


def check_names(given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse engine arguments that this version of vLLM does not have.

    Raises:
        ParameterError: there is one; the message names it and the nearest that exists.
    """
    names = set(known)
    for name in given:
        if name not in names:
            close = get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else "see the arguments of `vllm serve`."
            raise ParameterError(f"backend 'vllm': vLLM has no engine argument {name!r}; {hint}")
