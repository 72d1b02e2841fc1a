"""``ttscale list`` and ``ttscale doctor``: what is installed, and what it can run."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

import ttscale
from ttscale.cli import doctor, main
from ttscale.cli.list import render_plugin
from ttscale.cli.plugins import Parameter, PluginInfo, inspect_all


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("strategies", "self_consistency"),
        ("verifiers", "math"),
        ("benchmarks", "gsm8k"),
        ("backends", "openai"),
    ],
)
def test_every_kind_is_listed_as_json_and_as_text(
    kind: str, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["list", kind, "--json"]) == 0
    plugins = {plugin["name"]: plugin for plugin in json.loads(capsys.readouterr().out)}
    assert plugins[name]["source"] == "builtin"
    assert plugins[name]["description"]
    assert plugins[name]["error"] is None
    assert main(["list", kind]) == 0
    assert f"{name}\n    {plugins[name]['description']}\n" in capsys.readouterr().out


def test_parameters_have_types_and_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "strategies", "--json"]) == 0
    (best_of_n,) = (p for p in json.loads(capsys.readouterr().out) if p["name"] == "best_of_n")
    parameters = {parameter["name"]: parameter for parameter in best_of_n["parameters"]}
    assert parameters["n"] == {"name": "n", "type": "int", "default": 16, "required": False}
    assert parameters["verifier"]["default"] == {"name": "confidence", "params": {}}
    assert "'decided'" in parameters["stop"]["type"]


def test_a_verifier_says_what_it_needs() -> None:
    verifiers = {plugin.name: plugin for plugin in inspect_all("verifiers")}
    assert verifiers["confidence"].needs == ("logprobs",)
    assert not verifiers["confidence"].needs_target
    assert verifiers["math"].needs_target


def test_a_plugin_is_drawn_line_by_line() -> None:
    plugin = PluginInfo(
        name="mine",
        source="my-package 1.0",
        description="Does it.",
        parameters=(
            Parameter("n", "int", 4),
            Parameter("path", "str", required=True),
            Parameter("text", "str", ""),
        ),
        needs=("logprobs", "seeds"),
        needs_target=True,
        also_named=tuple(f"other_name_{number}" for number in range(8)),
    )
    assert render_plugin(plugin).splitlines() == [
        "mine  [my-package 1.0]",
        "    Does it.",
        "      n: int = 4",
        "      path: str",
        '      text: str = ""',
        "    reads the reference answer",
        "    needs of the model: logprobs, seeds",
        "    by name:",
        "      " + " ".join(f"other_name_{number}," for number in range(7)),
        "      other_name_7",
    ]


def test_every_set_of_reasoning_gym_is_listed_by_name() -> None:
    benchmarks = {plugin.name: plugin for plugin in inspect_all("benchmarks")}
    assert {"countdown", "chain_sum", "gsm_symbolic"} <= set(benchmarks["reasoning_gym"].also_named)
    assert benchmarks["gsm8k"].also_named == ()


def test_a_name_from_a_third_party_cannot_write_escape_sequences() -> None:
    assert render_plugin(PluginInfo(name="x\x1b[2J", source="builtin", error="bad\x07\nworse")) == (
        "x\n    BROKEN: bad worse"
    )


@dataclass(frozen=True, kw_only=True)
class WithoutDocstring:
    n: int = 1
    needs: ClassVar[frozenset[str]] = frozenset()


def test_a_plugin_without_a_docstring_has_no_description(monkeypatch: pytest.MonkeyPatch) -> None:
    from ttscale_strategies import BUILTINS

    module = ModuleType("without_docstring")
    module.__dict__["WithoutDocstring"] = WithoutDocstring
    monkeypatch.setitem(sys.modules, "without_docstring", module)
    monkeypatch.setitem(BUILTINS, "bare", "without_docstring:WithoutDocstring")
    (bare,) = (plugin for plugin in inspect_all("strategies") if plugin.name == "bare")
    assert bare == PluginInfo(name="bare", source="builtin", parameters=(Parameter("n", "int", 1),))


def test_the_doctor_reports_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["doctor", "--json"])
    health = json.loads(capsys.readouterr().out)
    assert status == 0
    assert health["ttscale"] == ttscale.__version__
    assert health["cores"] >= 1
    assert {backend["name"] for backend in health["backends"]} >= {"hf", "vllm", "openai"}
    assert health["packages"]["torch"] == (metadata.version("torch") if health["packages"]["torch"] else None)


def test_the_doctor_names_the_mend_for_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def nothing_installed(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", nothing_installed)
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert "no  hf       torch, transformers, safetensors not installed; `pip install 'ttscale[hf]'`" in shown
    assert "pip install 'ttscale[vllm" in shown
    assert "ok  openai" in shown
    assert "note: `ttscale eval` lacks datasets, reasoning-gym, math-verify, scipy" in shown


def test_the_doctor_fails_only_where_nothing_can_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = PluginInfo(name="openai", source="builtin", error="its library is missing")
    monkeypatch.setattr("ttscale.cli.plugins.inspect_all", lambda kind: [broken])
    assert main(["doctor"]) == 1
    captured = capsys.readouterr()
    assert "no  openai   its library is missing" in captured.out
    assert captured.err.startswith("error: no backend can run here")


def test_missing_weights_and_harmful_threads_are_noted(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("ttscale.reference.ABACUS_PATH", tmp_path)
    monkeypatch.setattr(doctor, "_gpus", tuple)
    monkeypatch.setattr(
        "ttscale.cli.plugins.inspect_all", lambda kind: [PluginInfo(name="vllm", source="builtin")]
    )
    monkeypatch.setattr(metadata, "version", lambda package: "1.0")
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    shown = doctor.render_health(doctor.examine())
    assert "abacus   weights missing" in shown
    assert "note: the reference model `abacus` is not there" in shown
    assert "note: OMP_NUM_THREADS=8 slows vLLM on CPU many times; set it to 1." in shown
