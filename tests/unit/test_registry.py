"""The registry: specs, building from plain parameters, describing, and errors that name their mend."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import ClassVar, Literal, get_args

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ttscale import registry
from ttscale.errors import ParameterError, PluginError, UnknownPlugin
from ttscale.registry import Kind, Spec
from ttscale.strategies import BestOfN, SelfConsistency, Single
from ttscale.template import Template
from ttscale.types import JSON
from ttscale.verifier import Verifier

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
)
VALUES: st.SearchStrategy[JSON] = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=5
)


# ── specs ─────────────────────────────────────────────────────────────────────────────────────────────────


@given(name=NAMES, params=st.dictionaries(NAMES, VALUES, max_size=4))
@example(name="a", params={"x": "a,b"})
@example(name="a", params={"x": "a: b", "y": "#c", "z": "[", "w": "'"})
@example(name="a", params={"x": "1", "y": "true", "z": "", "w": "null", "v": " padded "})
@example(name="a", params={"x": 1e300, "y": 1e-7, "z": -0.0})
@example(name="a", params={"x": "line\nbreak", "y": "\u0085", "z": "\x00"})
@example(name="a", params={"x": {"name": "b", "params": {"y": [1, "two", {}]}}})
def test_a_spec_is_read_back_as_it_was_written(name: str, params: dict[str, JSON]) -> None:
    spec = Spec(name, params)
    assert Spec.parse(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "name", "params"),
    [
        ("single", "single", {}),
        ("single:", "single", {}),
        ("a:n=3", "a", {"n": 3}),
        ("a:n=3,stop=never", "a", {"n": 3, "stop": "never"}),
        (" a : n = 3 , t = 0.5 ", "a", {"n": 3, "t": 0.5}),
        ("a:xs=[1, 2],y={k: [v, w]}", "a", {"xs": [1, 2], "y": {"k": ["v", "w"]}}),
        ("a:on=true,off=null", "a", {"on": True, "off": None}),
        ("a:verifier={name: math, params: {timeout_seconds: 2}}", "a",
         {"verifier": {"name": "math", "params": {"timeout_seconds": 2}}}),
        ("a:base=http://127.0.0.1:80/v1", "a", {"base": "http://127.0.0.1:80/v1"}),
    ],
)  # fmt: skip
def test_what_users_write_is_read(text: str, name: str, params: dict[str, JSON]) -> None:
    assert Spec.parse(text) == Spec(name, params)


@pytest.mark.parametrize("text", ["a:n", "a:=3", "a:n=3,stop", "a:3"])
def test_what_is_not_key_and_value_is_refused(text: str) -> None:
    with pytest.raises(ParameterError, match="write NAME:key=value"):
        Spec.parse(text)


# ── built-in plugins ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", get_args(Kind))
def test_every_builtin_names_something_that_exists(kind: Kind) -> None:
    for name, path in registry.names(kind).items():
        module, _, attribute = path.partition(":")
        assert find_spec(module) is not None, f"{name} names {path}"
        assert attribute.isidentifier()
        if kind == "templates":
            assert isinstance(registry.load_template(name), Template)
        elif kind != "backends":  # their engines are heavy, and optional
            assert callable(getattr(importlib.import_module(module), attribute))


@pytest.mark.parametrize("name", registry.names("strategies"))
def test_a_registered_strategy_is_described_and_built_again(name: str) -> None:
    strategy = registry.create("strategies", name)
    spec = registry.describe(strategy)
    assert spec.name == name
    assert registry.create_strategy(spec) == registry.create_strategy(str(spec)) == strategy


@pytest.mark.parametrize("name", registry.names("verifiers"))
def test_a_registered_verifier_is_described_and_built_again(name: str) -> None:
    verifier = registry.create("verifiers", name)
    spec = registry.describe(verifier)
    assert registry.create_verifier(spec) == registry.create_verifier(str(spec)) == verifier


def test_a_nested_verifier_is_built_from_each_form() -> None:
    forms: list[JSON] = [
        "math:timeout_seconds=2.5",
        {"name": "math", "params": {"timeout_seconds": 2.5}},
    ]
    wanted = registry.create_verifier("math:timeout_seconds=2.5")
    for form in forms:
        strategy = registry.create("strategies", "best_of_n", {"n": 3, "verifier": form})
        assert strategy == BestOfN(n=3, verifier=wanted)
        assert registry.create_strategy(str(registry.describe(strategy))) == strategy
    text = "best_of_n:n=3,verifier={name: math, params: {timeout_seconds: 2.5}}"
    assert registry.create_strategy(text) == BestOfN(n=3, verifier=wanted)


@given(
    n=st.integers(1, 1000),
    stop=st.sampled_from(["decided", "never"]),
    temperature=st.none() | st.floats(0, 2),
    max_tokens=st.none() | st.integers(1, 10**6),
)
def test_any_configuration_survives_its_description(
    n: int, stop: Literal["decided", "never"], temperature: float | None, max_tokens: int | None
) -> None:
    strategy = SelfConsistency(n=n, stop=stop, temperature=temperature, max_tokens=max_tokens)
    assert registry.create_strategy(str(registry.describe(strategy))) == strategy


# ── errors ────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownPlugin, match="No strategy is called 'sinlge'; did you mean 'single'"):
        registry.create_strategy("sinlge")
    with pytest.raises(UnknownPlugin, match=r"known: .*math"):
        registry.create_verifier("zzz")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("self_consistency:m=3", "has no parameter 'm'; it has: n, temperature, max_tokens, rule, stop"),
        ("self_consistency:n=many", "n='many' is wrong: "),
        ("self_consistency:n=2.5", "n=2.5 is wrong: "),
        ("self_consistency:n=[1]", r"n=\[1\] is wrong: "),
        ("self_consistency:n=0", "n must be >= 1, got 0"),
        ("self_consistency:stop=soon", "stop='soon' is wrong: "),
        ("best_of_n:verifier=3", "verifier=3 is wrong: give a verifier's name, or name and params"),
        ("best_of_n:verifier={params: {}}", "give a verifier's name"),
        ("best_of_n:verifier={name: math, params: 3}", "give a verifier's name"),
        ("best_of_n:verifier={name: math, params: {x: 1}}", "verifier 'math' has no parameter 'x'"),
        ("best_of_n:verifier=maths", "No verifier is called 'maths'; did you mean 'math'"),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_mend(spec: str, message: str) -> None:
    with pytest.raises((ParameterError, UnknownPlugin), match=message):
        registry.create_strategy(spec)


def test_a_number_is_not_taken_for_a_truth_value() -> None:
    with pytest.raises(ParameterError):
        registry.create_strategy("self_consistency:n=true")


@dataclass(frozen=True, kw_only=True)
class Demanding:
    """Needs a parameter, and may have a verifier."""

    question: str
    verifier: Verifier | None = None
    weights: tuple[float, ...] = ()
    options: dict[str, int] = field(default_factory=dict[str, int])
    needs: ClassVar[frozenset[str]] = frozenset()


def test_a_missing_parameter_is_named() -> None:
    with pytest.raises(ParameterError, match="demanding needs the parameter 'question'; add question=VALUE"):
        registry.build(Demanding, {}, label="demanding")


def test_plain_values_become_what_the_fields_want() -> None:
    built = registry.build(
        Demanding,
        {"question": "why", "verifier": None, "weights": [1, 2.5], "options": {"a": 1}},
        label="demanding",
    )
    assert built == Demanding(question="why", weights=(1.0, 2.5), options={"a": 1})


def test_an_optional_verifier_is_built_too() -> None:
    built = registry.build(Demanding, {"question": "why", "verifier": "math"}, label="demanding")
    assert built == Demanding(question="why", verifier=registry.create_verifier("math"))


def test_what_is_no_dataclass_is_no_plugin() -> None:
    with pytest.raises(PluginError, match="must be its parameters"):
        registry.build(int, {}, label="int")


def test_what_has_no_name_cannot_be_described() -> None:
    with pytest.raises(PluginError, match="is not a registered plugin"):
        registry.describe(Demanding(question="why"))


def test_a_broken_registration_says_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = {"gone": "no_such_package:Thing", "bare": "ttscale.types:NoSuchClass"}
    monkeypatch.setattr(registry, "names", lambda kind: broken)
    with pytest.raises(PluginError, match="'gone' is registered as 'no_such_package:Thing'"):
        registry.load("strategies", "gone")
    with pytest.raises(PluginError, match="NoSuchClass"):
        registry.load("strategies", "bare")


def test_a_third_party_cannot_take_over_a_builtin_name(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {"single": "theirs:Single", "more": "theirs:More"}
    monkeypatch.setattr(registry, "_entry_points", lambda kind: theirs)
    known = registry.names("strategies")
    assert known["more"] == "theirs:More"
    assert registry.load("strategies", "single") is Single
