"""``--set KEY=VALUE``: parameters of a strategy, nested ones by dotted keys."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ttscale.cli.settings import strategy_spec
from ttscale.errors import ParameterError, UnknownPlugin
from ttscale.registry import create_strategy
from ttscale.strategies import BestOfN, SelfConsistency
from ttscale.verifiers import ConfidenceVerifier, MathVerifier


@pytest.mark.parametrize(
    ("text", "settings", "built"),
    [
        ("self_consistency", [], SelfConsistency()),
        ("self_consistency", ["n=32", "temperature=0.5"], SelfConsistency(n=32, temperature=0.5)),
        ("self_consistency:n=8,stop=never", ["n=4"], SelfConsistency(n=4, stop="never")),
        ("self_consistency", ["max_tokens=null"], SelfConsistency()),
        ("best_of_n", ["verifier=math"], BestOfN(verifier=MathVerifier())),
        (
            "best_of_n:verifier=math",
            ["verifier.timeout_seconds=3"],
            BestOfN(verifier=MathVerifier(timeout_seconds=3.0)),
        ),
        (
            "best_of_n",
            ["verifier.timeout_seconds=3", "verifier=math"],
            BestOfN(verifier=MathVerifier(timeout_seconds=3.0)),
        ),
        ("best_of_n", ["n=2"], BestOfN(n=2, verifier=ConfidenceVerifier())),
    ],
)
def test_settings_become_parameters(text: str, settings: Sequence[str], built: object) -> None:
    assert create_strategy(strategy_spec(text, settings)) == built


def test_only_what_is_given_is_in_the_spec() -> None:
    assert strategy_spec("self_consistency", ["n=4"]).params == {"n": 4}


def test_a_nested_setting_reaches_the_default_plugin() -> None:
    with pytest.raises(ParameterError, match="verifier 'confidence' has no parameter 'timeout_seconds'"):
        create_strategy(strategy_spec("best_of_n", ["verifier.timeout_seconds=3"]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["n"], "--set 'n' is not KEY=VALUE"),
        (["=4"], "--set '=4' is not KEY=VALUE"),
        (["verifier.=4"], "is not KEY=VALUE"),
        (["n.deeper=4"], r"--set n.deeper=… goes into 'n', which is 16 and has no parameters"),
        (["m=4"], "strategy 'best_of_n' has no parameter 'm'; it has: n, verifier"),
        (["m.deeper=4"], "strategy 'best_of_n' has no parameter 'm'"),
        (["n=many"], "n='many' is wrong"),
        (["n=0"], "n must be >= 1, got 0"),
        (["verifier.name=4"], "verifier"),
    ],
)
def test_wrong_settings_say_what_to_mend(settings: Sequence[str], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        create_strategy(strategy_spec("best_of_n", settings))


def test_an_unknown_strategy_is_named_with_the_closest_known_one() -> None:
    with pytest.raises(UnknownPlugin, match="did you mean 'self_consistency'"):
        strategy_spec("self_consistencyy", [])
