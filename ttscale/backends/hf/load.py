"""Loading a model from disk or the hub, and what there is to know about it."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast

import torch
import transformers
from torch import nn

from ttscale.backends.base import ModelProfile
from ttscale.backends.hf.reward_model import RewardModel, load_weights
from ttscale.backends.hf.runner import ATTENTION, ModelRunner, grouped_attention
from ttscale.backends.rewards import reward_head
from ttscale.backends.vocabulary import Tokenizer, Vocabulary
from ttscale.errors import BackendUnavailable

_HUB_ID: Final = re.compile(r"[\w.-]+(/[\w.-]+)?")
_PROBE_TOKENS: Final = 40


class Config(Protocol):
    """A transformers configuration, as far as every model has it; the rest is asked for with `getattr`."""

    vocab_size: int
    num_hidden_layers: int
    num_attention_heads: int
    hidden_size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model that is ready to run.

    Attributes:
        runner: runs it; a reward model grades texts in place of drawing tokens.
        vocabulary: its tokenizer.
        profile: what the cost models know of it.
        end_ids: token ids that end a sample.
        vocabulary_size: number of token ids it has embeddings for.
    """

    runner: ModelRunner | RewardModel
    vocabulary: Vocabulary
    profile: ModelProfile
    end_ids: frozenset[int]
    vocabulary_size: int


def load_model(
    name: str,
    *,
    device: str,
    dtype: str,
    max_model_len: int | None,
    revision: str | None,
    trust_remote_code: bool,
) -> LoadedModel:
    """Load a causal language model, or a reward model, and its tokenizer.

    Of a causal language model it is proved that this backend computes what the model does.

    Args:
        name: a directory, or an id on the hub.
        device: ``"auto"`` (a GPU if there is one), ``"cpu"``, ``"cuda"``, ``"cuda:1"`` …
        dtype: of the weights; ``"auto"``: float32 on a CPU, else the model's own.
        max_model_len: most tokens of prompt and answer together, if less than the model's own limit.
        revision: branch, tag or commit on the hub.
        trust_remote_code: whether code that comes with the model may run.

    Raises:
        BackendUnavailable: it cannot be loaded, or does something that this backend cannot.
    """
    source = _source(name)
    device = _device(device)
    with _quiet():
        try:
            where = {"revision": revision, "trust_remote_code": trust_remote_code}
            tokenizer = transformers.AutoTokenizer.from_pretrained(source, **where)
            wanted = "float32" if dtype == "auto" and device == "cpu" else dtype
            config = transformers.AutoConfig.from_pretrained(source, **where)
            head = reward_head(config.architectures or (), config.num_labels or 0, model=name)
            if head is None:
                load = cast("Callable[..., nn.Module]", transformers.AutoModelForCausalLM.from_pretrained)
                model = load(source, dtype=wanted, **where)
            else:
                model = load_weights(head, source, config, dtype=wanted, **where)
            model = model.to(device).eval()
        except BackendUnavailable:
            raise
        except Exception as error:  # configurations, files, networks and remote code fail in many ways
            raise BackendUnavailable(_cannot_load(name, error)) from error
    context_length = _context_length(name, _config(model), max_model_len)
    runner = _prove(name, model, context_length) if head is None else RewardModel(model, head)
    return LoadedModel(
        runner=runner,
        vocabulary=Vocabulary(cast("Tokenizer", tokenizer), name, continues=head is None),
        profile=profile_of(name, model, context_length),
        end_ids=_end_ids(model, tokenizer),
        vocabulary_size=_embeddings(model).num_embeddings,
    )


@contextmanager
def _quiet() -> Generator[None]:
    """Keep transformers from drawing progress bars."""
    logging = transformers.utils.logging
    shown: bool = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _source(name: str) -> str:
    """Return the directory or hub id that a model's name means."""
    directory = Path(name).expanduser()
    if directory.is_dir():
        return str(directory)
    if _HUB_ID.fullmatch(name) and not name.startswith("."):
        return name
    raise BackendUnavailable(
        f"there is no model directory {name!r}; "
        "give a directory with config.json, weights and tokenizer, or an id on the hub"
    )


def _device(device: str) -> str:
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise BackendUnavailable(f"device={device!r} was asked for but torch sees no GPU; use device=cpu")
    return device


def _cannot_load(name: str, error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return (
        f"the model {name!r} cannot be loaded ({lines[0]}); "
        "give a directory with config.json, weights and tokenizer, or the id of a causal model on the hub"
    )


def _config(model: nn.Module) -> Config:
    """Return the configuration of the part that reads and writes text."""
    return cast("Config", cast("transformers.PreTrainedModel", model).config.get_text_config(decoder=True))


def _embeddings(model: nn.Module) -> nn.Embedding:
    return cast("nn.Embedding", cast("transformers.PreTrainedModel", model).get_input_embeddings())


def _context_length(name: str, config: Config, max_model_len: int | None) -> int:
    own: int | None = getattr(config, "max_position_embeddings", None)
    if own is None and max_model_len is None:
        raise BackendUnavailable(f"the configuration of {name!r} states no context length; give max_model_len")
    if own is not None and max_model_len is not None and max_model_len > own:
        raise BackendUnavailable(f"max_model_len={max_model_len} is more than the {own} positions of {name!r}")
    return max_model_len or cast("int", own)


def _windows(name: str, config: Config) -> Mapping[str, int | None]:
    """Return how far back each kind of attention layer sees, in tokens; ``None`` is all the way."""
    window: int | None = getattr(config, "sliding_window", None)
    kinds: list[str] | None = getattr(config, "layer_types", None)
    if kinds is None:
        kinds = ["full_attention" if window is None else "sliding_attention"]
    other = sorted(set(kinds) - {"full_attention", "sliding_attention"})
    if other:
        raise BackendUnavailable(
            f"{name!r} has layers of kind {other[0]!r}, which the hf backend cannot batch; use vllm:{name}"
        )
    return {kind: window if kind == "sliding_attention" else None for kind in sorted(set(kinds))}


def _prove(name: str, model: nn.Module, context_length: int) -> ModelRunner:
    """Return a runner that is seen to compute what the model's plain forward pass computes.

    The model's keys and values go through a cache, masks and attention of our own. A model with another notion
    of positions or masks would be silently wrong, so a few tokens are run in both ways.
    """
    config = cast("transformers.PreTrainedModel", model).config
    num_tokens = min(_PROBE_TOKENS, context_length)
    ids = tuple((7919 * index + 13) % _embeddings(model).num_embeddings for index in range(num_tokens))
    runner = ModelRunner(model, _windows(name, _config(model)), context_length)
    try:
        with torch.inference_mode():
            wanted = model(input_ids=torch.tensor([ids], device=runner.device)).logits[0, -1].float()
            if getattr(config, "_attn_implementation", None) == "sdpa":
                transformers.AttentionInterface.register(ATTENTION, grouped_attention)
                cast("transformers.PreTrainedModel", model).set_attn_implementation(ATTENTION)
            runner.join([ids])
            got = runner.decode(ids[-1:])[0]
    except Exception as error:
        raise BackendUnavailable(
            f"the hf backend cannot run {name!r} ({type(error).__name__}: {error}); use vllm:{name}"
        ) from error
    runner.reset()
    if (wanted - got).abs().mean() > 0.05 * wanted.std() + 1e-3:
        raise BackendUnavailable(f"the hf backend does not compute {name!r} correctly; use vllm:{name}")
    return runner


def _end_ids(model: nn.Module, tokenizer: object) -> frozenset[int]:
    """Return every id that the generation settings, the configuration or the tokenizer call the end."""
    ids = set[int]()
    for holder in (getattr(model, "generation_config", None), _config(model), tokenizer):
        found: int | list[int] | None = getattr(holder, "eos_token_id", None)
        ids.update([found] if isinstance(found, int) else found or ())
    return frozenset(ids)


def profile_of(name: str, model: nn.Module, context_length: int) -> ModelProfile:
    """Return what a loaded model is like; sampling defaults come from its generation settings."""
    config = _config(model)
    settings = getattr(model, "generation_config", None)
    defaults: Mapping[str, float] = {} if settings is None else settings.to_diff_dict()
    top_p, top_k = defaults.get("top_p"), defaults.get("top_k")
    num_heads = config.num_attention_heads
    return ModelProfile(
        name=name,
        num_parameters=_num_active_parameters(model, config),
        num_layers=config.num_hidden_layers,
        num_heads=num_heads,
        num_kv_heads=getattr(config, "num_key_value_heads", None) or num_heads,
        head_dim=getattr(config, "head_dim", None) or config.hidden_size // num_heads,
        bytes_per_parameter=float(next(model.parameters()).element_size()),
        context_length=context_length,
        temperature=float(defaults.get("temperature", 1.0)),
        top_p=None if top_p is None or top_p >= 1 else float(top_p),
        top_k=None if not top_k or top_k < 1 else int(top_k),
    )


def _num_active_parameters(model: nn.Module, config: Config) -> int:
    """Count the parameters at work on each token: of a mixture's experts only those chosen, tied ones once."""
    counts: dict[str, int] = {name: weight.numel() for name, weight in model.named_parameters()}
    experts = sum(count for name, count in counts.items() if ".experts." in name)
    num_experts: int = next(
        (found for field in _NUM_EXPERTS if (found := getattr(config, field, None)) is not None), 0
    )
    idle = 0
    if experts and num_experts:
        num_used = min(getattr(config, "num_experts_per_tok", num_experts), num_experts)
        idle = experts - experts * num_used // num_experts
    return sum(counts.values()) - idle


_NUM_EXPERTS: Final = ("num_local_experts", "num_experts", "n_routed_experts")
