"""Workspaces: texts cut to a number of tokens of the model that is shown them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import pytest

from ttscale.backends.base import Capabilities, ModelProfile
from ttscale.run import Run
from ttscale.types import Prompt
from ttscale_strategies.refine._workspace import CHARACTERS_PER_TOKEN, fitted_texts, workspace_tokens


@dataclass
class Tokens:
    """What of a run a workspace needs: a token a character, and one that is written as two."""

    capabilities: Capabilities = field(default_factory=lambda: Capabilities(token_ids=True))
    profile: ModelProfile = field(default_factory=lambda: ModelProfile(name="toy", context_length=100))
    broken: str = ""

    def append(self, prompt: Prompt, text: str) -> Prompt:
        return Prompt(token_ids=(*(prompt.token_ids or ()), *map(ord, text)))

    def decode(self, token_ids: Sequence[int]) -> str:
        return "".join("??" if chr(token) in self.broken else chr(token) for token in token_ids)


def run_of(tokens: Tokens) -> Run:
    return cast("Run", tokens)


def test_the_workspace_is_what_is_asked_for_or_half_of_the_context_if_that_is_known() -> None:
    assert workspace_tokens(run_of(Tokens()), None) == 50
    assert workspace_tokens(run_of(Tokens()), 7) == 7
    assert workspace_tokens(run_of(Tokens(profile=ModelProfile(name="unknown"))), None) is None


@pytest.mark.parametrize(
    ("capacity", "keep", "expected"),
    [
        (None, "end", ("abcdef", "gh")),
        (8, "end", ("abcdef", "gh")),
        (5, "end", ("def", "gh")),
        (5, "start", ("abc", "gh")),
        (1, "end", ("f", "")),
        (0, "end", ("", "")),
    ],
)
def test_the_longest_text_loses_first(
    capacity: int | None, keep: Literal["start", "end"], expected: tuple[str, ...]
) -> None:
    assert fitted_texts(run_of(Tokens()), ["abcdef", "gh"], capacity, keep=keep) == expected


def test_a_text_that_has_more_tokens_when_it_is_read_anew_is_cut_further() -> None:
    tokens = run_of(Tokens(broken="c"))
    assert fitted_texts(tokens, ["abcdef"], 4) == ("def",)  # "??def" is five
    assert fitted_texts(tokens, ["abcdef"], 3, keep="start") == ("ab",)
    assert fitted_texts(run_of(Tokens(broken="abcdef")), ["abcdef"], 1) == ("",)


def test_where_nobody_knows_the_tokens_characters_count() -> None:
    unknown = run_of(Tokens(capabilities=Capabilities()))
    assert fitted_texts(unknown, ["x" * 50 + "abcd", "e"], 2) == ("xxxabcd", "e")
    assert fitted_texts(unknown, ["x" * 50], 2, keep="start") == ("x" * 2 * CHARACTERS_PER_TOKEN,)
