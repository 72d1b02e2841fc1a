"""Threads by words alone, votes over several roots, and protocols from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.thread_scripts import QUESTION, Writer, noted, spans, think
from ttscale import registry
from ttscale.errors import ConfigError, ParameterError
from ttscale.strategies import Threads
from ttscale.testing import Reply, virtual_clock
from ttscale.types import Prompt
from ttscale_strategies.threads import load_protocol, protocol_names

ASKED, PART = "into \\boxed{}.", "a line that says its result."
PARTS = "<parts>\n<part>1: Add 2 and 3.</part>\n<part>2: Add 4 and 5.</part>\n</parts>"


def instructed(root: str, *, final: str = "So \\boxed{14}.", plain: str = "plain") -> Writer:
    return Writer(
        {
            ASKED: root,
            f"Add 2 and 3.\n\nWork out this part and nothing else, and end with {PART}": "5",
            f"Add 4 and 5.\n\nWork out this part and nothing else, and end with {PART}": "<think>hm</think>\n9",
            "correct what is wrong, and put the final answer into \\boxed{}.": final,
            QUESTION: plain,
        }
    )


@virtual_clock
async def test_parts_are_solved_apart_and_put_together() -> None:
    model = instructed(PARTS)
    outcome, _ = await think("threads", model)
    results = "<result>1: 5</result>\n<result>2: 9</result>"
    assert (outcome.answer, outcome.text) == ("14", f"{PARTS}\n{results}\nSo \\boxed{{14}}.")
    assert f"{QUESTION}\n\nParts of it have been worked out" in model.prompts[-1].question
    assert results in model.prompts[-1].question
    assert all(QUESTION not in prompt.question for prompt in model.prompts[1:3])


@virtual_clock
async def test_a_part_begins_as_soon_as_it_has_been_named() -> None:
    _, backend = await think("threads", instructed(PARTS))
    root, one, two, _ = backend.records
    assert one.started == pytest.approx(0.01 * (len(PARTS.partition("</part>")[0]) + len("</part>") + 1))
    assert one.started is not None
    assert two.started is not None
    assert root.ended is not None
    assert one.started < two.started < root.ended


@virtual_clock
async def test_who_does_not_fork_is_taken_at_its_word() -> None:
    outcome, backend = await think("threads", instructed("It is \\boxed{14}."))
    assert (outcome.answer, len(backend.records)) == ("14", 1)


@virtual_clock
async def test_who_neither_forks_nor_answers_is_asked_plainly() -> None:
    outcome, backend = await think("threads", instructed("I do not know what you mean.", plain="\\boxed{14}"))
    assert (outcome.answer, outcome.text, len(backend.records)) == ("14", "\\boxed{14}", 2)
    assert backend.records[0].usage.generated + len("\\boxed{14}") == noted(outcome, "generated_tokens")


# ── votes ─────────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_roots_side_by_side_vote_and_the_rest_is_aborted_once_that_is_settled() -> None:
    replies: list[Reply | str] = [
        "\\boxed{1}",
        "\\boxed{2}",
        "\\boxed{3}",
        Reply("\\boxed{1}", num_tokens=4000),
    ]

    def model(prompt: Prompt, seed: int, ordinal: int) -> Reply | str:
        return replies[ordinal]

    outcome, backend = await think("threads:protocol=threadweaver,n=4", model)
    assert (outcome.answer, outcome.stop_reason) == ("1", "finished")
    assert outcome.confidence == 0.5
    replies[2] = Reply("\\boxed{1}", num_tokens=50)
    outcome, backend = await think("threads:protocol=threadweaver,n=4", model)
    assert (outcome.answer, outcome.stop_reason, outcome.confidence) == ("1", "decided", 2 / 3)
    assert backend.records[3].finish_reason == "abort"


@virtual_clock
async def test_a_verifier_chooses_among_roots_and_ends_it_with_the_best_possible() -> None:
    replies: list[Reply | str] = [
        "\\boxed{1}",
        Reply("\\boxed{3}", num_tokens=30),
        Reply("\\boxed{1}", num_tokens=4000),
    ]

    def model(prompt: Prompt, seed: int, ordinal: int) -> Reply | str:
        return replies[ordinal]

    spec = "threads:protocol=threadweaver,n=3,verifier=math"
    outcome, backend = await think(spec, model, target="3")
    assert (outcome.answer, outcome.stop_reason, outcome.confidence) == ("3", "decided", 1.0)
    assert backend.records[2].finish_reason == "abort"
    outcome, _ = await think(spec, model, target="7")
    assert (outcome.answer, outcome.stop_reason, outcome.confidence) == ("1", "finished", 0.0)


# ── protocols ─────────────────────────────────────────────────────────────────────────────────────────────

PAGE = """
source: a test
fork_open: "[["
fork_stop: "]]"
outline: '(?P<number>[a-z])=(?P<text>[^,\\]]+)'
branch_open: "({number}:"
branch_stop: ")"
join_close: " so"
"""


@virtual_clock
async def test_a_page_of_yaml_is_a_protocol(tmp_path: Path) -> None:
    page = tmp_path / "brackets.yaml"
    page.write_text(PAGE, encoding="utf-8")
    model = Writer({QUESTION: "[[a=left, b=right]]", "(a:": "1)", "(b:": "2)", " so": " \\boxed{3}"})
    outcome, _ = await think(f"threads:protocol={page}", model)
    assert outcome.text == "[[a=left, b=right]](a:1)(b:2) so \\boxed{3}"
    assert [span["outline"] for span in spans(outcome)] == ["left", "right"]
    assert noted(outcome, "protocol") == "brackets"


def test_every_built_in_protocol_says_where_it_is_from() -> None:
    assert len(protocol_names()) == 13
    assert all(load_protocol(name).source and load_protocol(name).name == name for name in protocol_names())


def test_a_protocol_may_be_an_object_and_is_described_as_plain_fields() -> None:
    strategy = Threads(protocol=load_protocol("parathinker"))
    spec = registry.Spec.parse(str(registry.describe(strategy)))
    assert registry.create("strategies", spec.name, spec.params) == strategy


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("outline: '('", "no regular expression"),
        ("outline: 'x'", "needs a group"),
        ("fork: start", "fork_stop goes with"),
        ("context: own", "branch_template goes with"),
        ("join: message", "join_template goes with"),
        ("policy: first\nmax_depth: 2", "needs max_depth: 1"),
        ("colour: red", "has no parameter 'colour'"),
        ("max_forks: 0", "max_forks must be >= 1"),
        ("template: revise", "needs the field question"),
        ("like: nobody", "No protocol is called 'nobody'"),
        ("source: [", "is no YAML"),
        ("reader: nowhere:Reader", "cannot be imported"),
    ],
)
@virtual_clock
async def test_a_page_that_is_wrong_is_refused_with_the_field_named(
    change: str, message: str, tmp_path: Path
) -> None:
    kept = [line for line in PAGE.splitlines() if line.partition(":")[0] != change.partition(":")[0]]
    page = tmp_path / "page.yaml"
    page.write_text("\n".join([*kept, change]), encoding="utf-8")
    with pytest.raises(ConfigError, match=message):
        await think(Threads(protocol=str(page)), Writer({}))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("threads:protocol=nobody", "known: apar, apr"),
        ("threads:protocol=missing.yaml", "cannot be read"),
        ("threads:n=0", "n must be >= 1"),
        ("threads:join=quorum", "quorum goes with"),
        ("threads:protocol=multiverse,join=first", "needs max_depth: 1"),
        ("threads:temperature=-1", "temperature"),
    ],
)
def test_wrong_options_are_refused(spec: str, message: str) -> None:
    with pytest.raises((ConfigError, ParameterError), match=message):
        registry.create_strategy(spec)
