"""From a model URI (``hf:MODEL``, ``openai:MODEL@BASE_URL``) or a YAML file that says the same to a backend."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import yaml

from ttscale import registry
from ttscale.backends.base import Backend
from ttscale.errors import ConfigError, PluginError
from ttscale.reference import MODELS
from ttscale.types import JSON

_PACKAGED: Final = "abacus"
"""The scheme of a reference model without a backend."""
_LOCAL_SCHEMES: Final = ("hf", "vllm")
_FORMS: Final = (
    f"{', '.join(MODELS)}, hf:MODEL, vllm:MODEL, openai:MODEL@BASE_URL, replay:FILE, "
    f"or the path of a .yaml file"
)
_FILE_KEYS: Final = frozenset({"model", "options"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelURI:
    """A model URI in its parts."""

    scheme: str
    """A backend's name, or ``"abacus"``: a reference model on the best backend installed."""
    model: str
    base_url: str | None = None
    """Where an OpenAI-compatible server answers, such as ``http://127.0.0.1:8000/v1``."""

    def __str__(self) -> str:
        if self.scheme == _PACKAGED and self.model in MODELS:
            return self.model
        at = f"@{self.base_url}" if self.base_url is not None else ""
        return f"{self.scheme}:{self.model}{at}"


def parse_model_uri(uri: str) -> ModelURI:
    """Take a model URI apart; nothing is looked up.

    Raises:
        ConfigError: it has none of the known forms.
    """
    text = uri.strip()
    if text in MODELS:
        return ModelURI(scheme=_PACKAGED, model=text)
    scheme, _, model = text.partition(":")
    if not model or not re.fullmatch(r"[A-Za-z][\w.-]*", scheme):
        raise ConfigError(f"{uri!r} is not a model; write {_FORMS}.")
    if scheme != "openai":
        return ModelURI(scheme=scheme, model=model)
    found = re.fullmatch(r"(.+?)@(https?://[^/\s]+\S*)", model)
    if found is None:
        raise ConfigError(
            f"{uri!r} does not say where the server is; write openai:MODEL@BASE_URL, "
            f"such as openai:my-model@http://127.0.0.1:8000/v1."
        )
    return ModelURI(scheme=scheme, model=found[1], base_url=found[2])


def load_backend(uri: str, options: Mapping[str, JSON] | None = None) -> Backend:
    """Build the backend that a model URI or a YAML file names; it is not started.

    Args:
        uri: ``abacus`` (the reference model, on vLLM where that is installed, else on the embedded backend),
            ``hf:MODEL``, ``vllm:MODEL``, ``openai:MODEL@BASE_URL``, another registered ``SCHEME:MODEL``, or
            the path of a YAML file with the keys `model`, one of these, and `options`. A model of `hf` or
            `vllm` with the name of a reference model is the packaged one.
        options: further parameters of the backend; they win over those of the file. ``backend`` (``"hf"`` or
            ``"vllm"``) says who runs a reference model.

    Raises:
        ConfigError: the URI, the file or an option is wrong, or no backend has that name.
        PluginError: a third-party scheme names something that is no backend.
    """
    if _is_file(uri):
        uri, from_file = _read_file(Path(uri.strip()))
        return load_backend(uri, {**from_file, **(options or {})})
    parsed, chosen = parse_model_uri(uri), dict(options or {})
    scheme, model = _resolve(parsed, chosen)
    given: dict[str, JSON] = {"model": model}
    if parsed.base_url is not None:
        given["base_url"] = parsed.base_url
    if twice := sorted(given.keys() & chosen.keys()):
        raise ConfigError(f"the option {twice[0]!r} repeats what the model {uri!r} says; leave it out.")
    backend = registry.create("backends", scheme, {**given, **chosen})
    if not isinstance(backend, Backend):
        raise PluginError(f"the backend {scheme!r} builds a {type(backend).__name__}, which is no Backend")
    return backend


def _resolve(uri: ModelURI, options: dict[str, JSON]) -> tuple[str, str]:
    """Return backend and model name; takes the option that only reference models have."""
    if uri.scheme == _PACKAGED and uri.model in MODELS:
        scheme = options.pop("backend", None) or _best_installed()
        if scheme not in _LOCAL_SCHEMES:
            raise ConfigError(f"backend={scheme!r} cannot run {uri.model}; choose backend=hf or backend=vllm.")
        return scheme, str(MODELS[uri.model])
    if uri.scheme in _LOCAL_SCHEMES and uri.model in MODELS:
        return uri.scheme, str(MODELS[uri.model])
    return uri.scheme, uri.model


def _best_installed() -> str:
    return "vllm" if importlib.util.find_spec("vllm") is not None else "hf"


def _is_file(uri: str) -> bool:
    return uri.strip().endswith((".yaml", ".yml"))


def _read_file(path: Path) -> tuple[str, Mapping[str, JSON]]:
    """Read model URI and options from a YAML file."""
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"the model file {str(path)!r} cannot be read: {error}.") from error
    except yaml.YAMLError as error:
        where = " ".join(str(error).split())
        raise ConfigError(f"the model file {str(path)!r} is not valid YAML: {where}.") from error
    form = "write `model: URI` and, if wanted, `options:` with one `name: value` a line"
    if not isinstance(document, dict):
        raise ConfigError(f"the model file {str(path)!r} holds no keys; {form}.")
    content = cast("dict[object, JSON]", document)
    if unknown := sorted(str(key) for key in content if key not in _FILE_KEYS):
        raise ConfigError(f"the model file {str(path)!r} has the unknown key {unknown[0]!r}; {form}.")
    uri, options = content.get("model"), content.get("options") or {}
    if not isinstance(uri, str) or _is_file(uri) or not isinstance(options, Mapping):
        raise ConfigError(f"the model file {str(path)!r} does not name a model; {form}.")
    return uri, options
