"""What the model is taught: the mixture of roles."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest

from tests.unit.attempts_bench import sampled
from ttscale.errors import ConfigError
from ttscale.reference.conversation import Conversation
from ttscale.reference.mixture import FROM_ATTEMPTS, FROM_PROBLEMS, Mixture, phrases
from ttscale.reference.roles.attempts import to_line


def drawn(mixture: Mixture, count: int) -> list[Conversation]:
    return list(itertools.islice(mixture.conversations(), count))


@pytest.fixture(scope="module")
def attempts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("attempts") / "attempts.jsonl"
    path.write_text("\n".join(map(to_line, sampled(30))), encoding="utf-8")
    return path


def test_a_mixture_of_all_roles_is_the_same_every_time(attempts: Path) -> None:
    mixture = Mixture(dict.fromkeys((*FROM_PROBLEMS, *FROM_ATTEMPTS), 1.0), 3, attempts)
    assert drawn(mixture, 60) == drawn(mixture, 60)
    assert drawn(mixture, 20) != drawn(Mixture(mixture.shares, 4, attempts), 20)


@pytest.mark.slow
def test_shares_say_how_often_a_role_is_drawn() -> None:
    found = Counter(
        "Plan calls" in one.turns[0].text for one in drawn(Mixture({"solve": 3, "plan": 1}, 0), 400)
    )
    assert 60 < found[True] < 140


def test_attempts_are_gone_through_again_and_again(attempts: Path) -> None:
    mixture = Mixture({"judge": 1.0}, 0, attempts)
    assert len(drawn(mixture, 500)) == 500


@pytest.mark.parametrize("role", FROM_PROBLEMS)
def test_every_phrase_of_a_role_is_in_the_list(role: str) -> None:
    known = phrases()
    text = "".join(turn.text for one in drawn(Mixture({role: 1.0}, 0), 20) for turn in one.turns)
    assert role == "solve" or any(phrase in text for phrase in known)  # solving says no more than numbers
    assert len(known) == len(set(known))


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({}, "nothing to teach"),
        ({"dance": 1.0}, "No role is called 'dance'; known: solve"),
        ({"solve": 0.0}, "above 0"),
        ({"judge": 1.0}, "--attempts FILE"),
    ],
)
def test_a_wrong_mixture_is_refused(shares: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Mixture(shares, 0)


def test_attempts_with_nothing_to_learn_are_named(tmp_path: Path) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"'compare' finds nothing to learn in .*empty\.jsonl"):
        drawn(Mixture({"compare": 1.0}, 0, path), 1)
