"""Model URIs and model files: what they mean, and what is said of wrong ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ttscale import registry
from ttscale.backends import load_backend
from ttscale.backends.hf import HFBackend
from ttscale.backends.load import ModelURI, parse_model_uri
from ttscale.backends.openai import OpenAIBackend
from ttscale.backends.vllm import VLLMBackend
from ttscale.errors import ConfigError, ParameterError, PluginError, UnknownPlugin
from ttscale.reference import ABACUS_PATH
from ttscale.types import JSON


@pytest.mark.parametrize(
    ("uri", "scheme", "model", "base_url"),
    [
        ("abacus", "abacus", "abacus", None),
        ("hf:org/name", "hf", "org/name", None),
        ("vllm:/models/a:b", "vllm", "/models/a:b", None),
        ("openai:qwen@http://127.0.0.1:8000/v1", "openai", "qwen", "http://127.0.0.1:8000/v1"),
        ("openai:org/a@2024-01@https://host.test/v1", "openai", "org/a@2024-01", "https://host.test/v1"),
        ("replay:runs/a.db", "replay", "runs/a.db", None),
    ],
)
def test_a_model_uri_is_taken_apart_and_put_together_again(
    uri: str, scheme: str, model: str, base_url: str | None
) -> None:
    parsed = parse_model_uri(f" {uri} ")
    assert parsed == ModelURI(scheme=scheme, model=model, base_url=base_url)
    assert str(parsed) == uri


@pytest.mark.parametrize("uri", ["", "gpt-4", "hf:", ":x", "/models/abacus", "h f:x"])
def test_what_is_no_model_uri_is_told_the_forms(uri: str) -> None:
    with pytest.raises(ConfigError, match="openai:MODEL@BASE_URL"):
        load_backend(uri)


@pytest.mark.parametrize(
    "uri", ["openai:gpt", "openai:gpt@localhost:8000", "openai:@http://h/v1", "openai:m@http://"]
)
def test_an_openai_model_without_its_address_is_told_the_form(uri: str) -> None:
    with pytest.raises(ConfigError, match=r"openai:my-model@http://127\.0\.0\.1:8000/v1"):
        load_backend(uri)


def test_an_unknown_scheme_is_an_error_that_suggests_a_known_one() -> None:
    with pytest.raises(UnknownPlugin, match="did you mean 'vllm'"):
        load_backend("vlm:model")


def test_each_scheme_builds_its_backend_with_its_options() -> None:
    served = load_backend("openai:m@http://h/v1", {"max_concurrency": 3, "extra_body": {"user": "me"}})
    assert isinstance(served, OpenAIBackend)
    assert (served.model, served.base_url, served.batch_size) == ("m", "http://h/v1", 3)
    assert served.extra_body == {"user": "me"}
    embedded = load_backend("hf:some/model")
    assert isinstance(embedded, HFBackend)
    assert embedded.model == "some/model"
    assert isinstance(load_backend("vllm:some/model"), VLLMBackend)


@pytest.mark.parametrize(("installed", "expected"), [(True, VLLMBackend), (False, HFBackend)])
def test_abacus_runs_on_vllm_where_that_is_installed(
    monkeypatch: pytest.MonkeyPatch, installed: bool, expected: type
) -> None:
    found = object() if installed else None
    monkeypatch.setattr("ttscale.backends.load.importlib.util.find_spec", lambda name: found)
    backend = load_backend("abacus")
    assert type(backend) is expected
    assert getattr(backend, "model", None) == str(ABACUS_PATH)


@pytest.mark.parametrize(("name", "expected"), [("hf", HFBackend), ("vllm", VLLMBackend)])
def test_who_runs_abacus_can_be_said_either_way(name: str, expected: type) -> None:
    for backend in (load_backend("abacus", {"backend": name}), load_backend(f"{name}:abacus")):
        assert type(backend) is expected
        assert getattr(backend, "model", None) == str(ABACUS_PATH)


def test_abacus_runs_on_no_other_backend() -> None:
    with pytest.raises(ConfigError, match="backend='openai' cannot run abacus"):
        load_backend("abacus", {"backend": "openai"})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_concurency": 3}, "no parameter 'max_concurency'"),
        ({"max_concurrency": "many"}, "max_concurrency='many' is wrong"),
        ({"max_concurrency": 0}, "max_concurrency must be >= 1"),
    ],
)
def test_a_wrong_option_is_an_error_that_names_it(options: Mapping[str, JSON], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        load_backend("openai:m@http://h/v1", options)


def test_an_option_that_repeats_the_uri_is_an_error() -> None:
    with pytest.raises(ConfigError, match="'base_url' repeats"):
        load_backend("openai:m@http://h/v1", {"base_url": "http://other/v1"})


# ── files ─────────────────────────────────────────────────────────────────────────────────────────────────────


def written(folder: Path, text: str) -> str:
    path = folder / "model.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_a_file_names_a_model_and_its_options_and_the_callers_options_win(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "model: openai:m@http://h/v1\noptions: {max_concurrency: 3, max_retries: 1, extra_body: {user: me}}\n",
    )
    backend = load_backend(path, {"max_retries": 2})
    assert isinstance(backend, OpenAIBackend)
    assert (backend.max_concurrency, backend.max_retries, backend.extra_body) == (3, 2, {"user": "me"})


def test_a_file_needs_no_options(tmp_path: Path) -> None:
    assert isinstance(load_backend(written(tmp_path, "model: hf:abacus\n")), HFBackend)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "holds no keys"),
        ("model: hf:abacus\noption: {}\n", "unknown key 'option'"),
        ("options: {}\n", "does not name a model"),
        ("model: other.yaml\n", "does not name a model"),
        ("model: hf:abacus\noptions: [1]\n", "does not name a model"),
        ("model: [\n", "not valid YAML"),
        ("model: gpt\n", "'gpt' is not a model"),
    ],
)
def test_a_broken_file_is_an_error_that_says_what_to_write(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_backend(written(tmp_path, text))


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yml' cannot be read"):
        load_backend(str(tmp_path / "nowhere.yml"))


def test_a_plugin_that_builds_no_backend_is_its_authors_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    def create(kind: str, name: str, params: object) -> object:
        return "not a backend"

    monkeypatch.setattr(registry, "create", create)
    with pytest.raises(PluginError, match="builds a str"):
        load_backend("odd:model")
