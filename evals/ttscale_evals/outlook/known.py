"""What can be known of a model that is not started: from its files, where they are on this machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast

from ttscale.backends import Backend, ModelProfile
from ttscale.backends.vllm.profile import profile_from_config
from ttscale.types import Prompt

_CHARACTERS_PER_TOKEN: Final = 4
_TEMPLATE_TOKENS: Final = 4
"""Of a message, where the tokenizer is not at hand."""
_BYTES: Final = {"float32": 4.0, "float64": 8.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """A model as far as it is known before it starts."""

    profile: ModelProfile
    count_tokens: Callable[[Prompt], int]
    has_tokenizer: bool
    """Whether prompts are counted by its own tokenizer, and not by their characters."""


def look_at(backend: Backend) -> KnownModel:
    """Return what is known of a backend's model; nothing is started or downloaded."""
    directory = _directory(backend)
    if directory is None:
        return KnownModel(profile=backend.profile, count_tokens=_by_characters, has_tokenizer=False)
    counter = _tokenizer(directory)
    return KnownModel(
        profile=_profile(backend, directory),
        count_tokens=counter or _by_characters,
        has_tokenizer=counter is not None,
    )


def _directory(backend: Backend) -> Path | None:
    """Return where the model's files are; ``None``: not on this machine, or it is no such model."""
    name = getattr(backend, "model", None)
    if backend.name not in ("hf", "vllm") or not isinstance(name, str):
        return None
    path = Path(name).expanduser()
    if (path / "config.json").is_file():
        return path
    try:
        from huggingface_hub import try_to_load_from_cache

        found = try_to_load_from_cache(name, "config.json")
    except (ImportError, ValueError):  # the latter: it is no repository's name
        return None
    return Path(found).parent if isinstance(found, str) else None


def _profile(backend: Backend, directory: Path) -> ModelProfile:
    config, generation = _read(directory / "config.json"), _read(directory / "generation_config.json")
    text = config.get("text_config")
    config = cast("Mapping[str, object]", text) if isinstance(text, Mapping) else config
    asked, longest = getattr(backend, "max_model_len", None), config.get("max_position_embeddings")
    profile = profile_from_config(
        backend.profile.name,
        config,
        generation,
        context_length=next((n for n in (asked, longest) if isinstance(n, int)), 0),
        bytes_per_parameter=_BYTES.get(str(config.get("dtype", config.get("torch_dtype"))), 2.0),
    )
    return profile


def _read(path: Path) -> Mapping[str, object]:
    try:
        document: object = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("Mapping[str, object]", document) if isinstance(document, dict) else {}


class _Tokenizer(Protocol):
    def encode(self, text: str, /) -> list[int]: ...
    def apply_chat_template(
        self, conversation: list[dict[str, str]], /, *, tokenize: bool, add_generation_prompt: bool
    ) -> str: ...


def _tokenizer(directory: Path) -> Callable[[Prompt], int] | None:
    """Return who counts a prompt's tokens with the model's own tokenizer; ``None``: it cannot be loaded."""
    try:
        from transformers import AutoTokenizer

        load = cast("Callable[..., _Tokenizer]", AutoTokenizer.from_pretrained)
        tokenizer = load(str(directory), local_files_only=True, trust_remote_code=False)
        tokenizer.encode("1 + 1")
    except Exception:  # whatever is wrong with it, characters can be counted
        return None

    def count(prompt: Prompt) -> int:
        if prompt.token_ids is not None:
            return len(prompt.token_ids)
        if prompt.text is not None:
            return len(tokenizer.encode(prompt.text))
        messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
        try:
            text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        except Exception:  # without a template, or of one that wants other messages
            text = "\n".join(message.content for message in prompt.messages)
        return len(tokenizer.encode(text))

    return count


def _by_characters(prompt: Prompt) -> int:
    if prompt.token_ids is not None:
        return len(prompt.token_ids)
    if prompt.text is not None:
        return -(-len(prompt.text) // _CHARACTERS_PER_TOKEN)
    length = sum(len(message.content) for message in prompt.messages)
    return -(-length // _CHARACTERS_PER_TOKEN) + _TEMPLATE_TOKENS * (len(prompt.messages) + 1)
