"""Traces of the published protocols, byte for byte."""

from __future__ import annotations

import pytest

from tests.unit.thread_scripts import QUESTION, Writer, begun, noted, spans, think
from ttscale.testing import Reply, virtual_clock
from ttscale.types import Prompt
from ttscale_strategies.threads.rules import token_latency

WEAVED = """a b c <Parallel> <Outlines> <Outline> 1: x </Outline> <Outline> 2: y </Outline> </Outlines>
<Thread>
1: p q r s </Thread><Thread>
2: t </Thread>
</Parallel> d e"""


def weaver(**seconds: float) -> Writer:
    header = WEAVED[: WEAVED.index("</Outlines>") + len("</Outlines>")]
    return Writer(
        {
            QUESTION: header + " never written",
            "<Thread>\n1:": " p q r s </Thread>",
            "<Thread>\n2:": " t </Thread>",
            "</Thread>\n": "</Parallel> d e",
        },
        seconds=lambda key: seconds.get(f"thread{key[-2]}" if key.startswith("<Thread>") else "other"),
    )


@virtual_clock
async def test_threadweaver_reassembles_and_has_the_papers_measures() -> None:
    model = weaver()
    outcome, _ = await think("threads:protocol=threadweaver", model)
    assert outcome.text == WEAVED
    latency = token_latency(WEAVED)
    assert (latency.total, latency.latency) == (28, 26)
    header = model.written[1].removesuffix("\n<Thread>\n1:")
    assert model.written == [
        "",
        f"{header}\n<Thread>\n1:",
        f"{header}\n<Thread>\n2:",
        WEAVED.removesuffix("</Parallel> d e"),
    ]


@virtual_clock
async def test_threads_are_spans_with_their_place_on_the_longest_path() -> None:
    outcome, _ = await think("threads:protocol=threadweaver", weaver())
    one, two = spans(outcome)
    header = len(WEAVED[: WEAVED.index("</Outlines>") + len("</Outlines>")])
    assert (one["fork"], one["number"], one["outline"], one["depth"], one["ended"]) == (
        0,
        "1",
        "x",
        1,
        "closed",
    )
    assert (one["start_tokens"], one["end_tokens"]) == (header, header + len(" p q r s </Thread>"))
    assert (two["number"], two["text"]) == ("2", " t ")
    total = header + len(" p q r s </Thread>" + " t </Thread>" + "</Parallel> d e")
    assert noted(outcome, "generated_tokens") == total == outcome.usage.generated
    assert noted(outcome, "path_tokens") == total - len(" t </Thread>") == outcome.critical_path_tokens


NESTED = """Let's think in parallel.
<Parallel>
<Goal>
<Outline>
1: first
</Outline>
<Outline>
2: second
</Outline>
</Goal>
<Path>
1: alone
</Path>
<Path>
2: again
<Parallel>
<Goal>
<Outline>
2.1: left
</Outline>
<Outline>
2.2: right
</Outline>
</Goal>
<Path>
2.1: l
</Path>
<Path>
2.2: rr
</Path>
<Conclusion>
both
</Conclusion>
</Parallel>
done
</Path>
<Conclusion>
sum
</Conclusion>
</Parallel>
So \\boxed{4}."""


def nested(slow: str = "") -> Writer:
    root, inner = (NESTED[: NESTED.index("</Goal>") + 7], NESTED[NESTED.index(" again") :])
    return Writer(
        {
            QUESTION: root,
            "<Path>\n1:": " alone\n</Path>",
            "<Path>\n2:": inner[: inner.index("</Goal>") + 7],
            "<Path>\n2.1:": " l\n</Path>",
            "<Path>\n2.2:": " rr\n</Path>",
            "rr\n</Path>\n<Conclusion>\n": "both\n</Conclusion>\n</Parallel>\ndone\n</Path>",
            "done\n</Path>\n<Conclusion>\n": "sum\n</Conclusion>\n</Parallel>\nSo \\boxed{4}.",
        },
        seconds=lambda key: 50.0 if slow and key.endswith(slow) else None,
    )


@virtual_clock
@pytest.mark.parametrize("slow", ["", "1:", "2:", "2.1:", "2.2:"])
async def test_multiverse_nests_and_joins_in_the_order_of_its_outlines(slow: str) -> None:
    outcome, _ = await think("threads:protocol=multiverse", nested(slow))
    assert (outcome.text, outcome.answer) == (NESTED, "4")
    assert {(span["depth"], span["number"]) for span in spans(outcome)} == {
        (1, "1"),
        (1, "2"),
        (2, "2.1"),
        (2, "2.2"),
    }


@virtual_clock
async def test_native_parallel_reasoner_is_multiverse_in_other_words() -> None:
    header = "<guideline>\n<plan>1: a</plan>\n<plan>2: b</plan>\n</guideline>"
    model = Writer(
        {
            QUESTION: header,
            "<step>\n1:": " x\n</step>",
            "<step>\n2:": " y\n</step>",
            "<takeaway>\n": "z\n</takeaway>\n\\boxed{1}",
        }
    )
    outcome, _ = await think("threads:protocol=native_parallel_reasoner", model)
    joined = "\n<step>\n1: x\n</step>\n<step>\n2: y\n</step>\n<takeaway>\nz\n</takeaway>\n\\boxed{1}"
    assert outcome.text == header + joined


@virtual_clock
async def test_parallel_r1_samples_two_paths_of_one_prompt_with_different_seeds() -> None:
    def model(prompt: Prompt, seed: int, ordinal: int) -> Reply | str:
        asked.append((begun(prompt), seed))
        if begun(prompt).endswith("<Path>"):
            return f"by {seed}</Path>"
        return "Sum</Summary>\\boxed{3}" if begun(prompt).endswith("<Summary>") else "Think. <Parallel>"

    asked = list[tuple[str, int]]()
    outcome, _ = await think("threads:protocol=parallel_r1", model)
    (_, one), (_, two) = asked[1:3]
    assert asked[1][0] == asked[2][0] == "Think. <Parallel><Path>"
    assert one != two
    joined = f"Think. <Parallel><Path>by {one}</Path><Path>by {two}</Path></Parallel>\n<Summary>"
    assert asked[3][0] == joined
    assert outcome.text == joined + "Sum</Summary>\\boxed{3}"


@virtual_clock
async def test_parathinker_cuts_all_to_the_first_that_finishes() -> None:
    model = Writer(
        {
            QUESTION: "unused",
            "<think1>": "1" * 7 + "</think1>",
            "<think2>": "2" * 9 + "</think2>",
            "<think3>": "3" * 5 + "</think3>",
            "<summary>": "All say \\boxed{3}</summary>",
        }
    )
    outcome, backend = await think("threads:protocol=parathinker,max_branches=3", model)
    summary = "<think1>11111</think1><think2>22222</think2><think3>33333</think3><summary>"
    assert model.written[-1] == summary
    assert outcome.text == summary + "All say \\boxed{3}</summary>"
    assert [span["ended"] for span in spans(outcome)] == ["capped", "capped", "closed"]
    assert all(record.finish_reason in ("stop", "abort") for record in backend.records)


@virtual_clock
async def test_a_quorum_waits_for_so_many() -> None:
    model = Writer(
        {
            **{f"<think{n}>": str(n) * (2 * n) + f"</think{n}>" for n in (1, 2, 3, 4)},
            "<summary>": "done",
        }
    )
    outcome, _ = await think("threads:protocol=parathinker,max_branches=4,join=quorum,quorum=2", model)
    texts = [span["text"] for span in spans(outcome)]
    assert texts == ["11", "2222", "3333", "4444"]


@virtual_clock
async def test_apar_reads_its_tree_head_detail_next() -> None:
    model = Writer(
        {
            QUESTION: "A:[Fork]",
            "A:[Fork]": " B:[Fork]",
            "A:[Fork] B:[Fork]": " C",
            "A:[Fork][Child]": "a",
            "B:[Fork][Child]": "b",
        }
    )
    outcome, _ = await think("threads:protocol=apar", model)
    assert outcome.text == "A:a B:b C"


@virtual_clock
async def test_apar_does_not_wait_for_its_details() -> None:
    replies = {QUESTION: "A:[Fork]", "A:[Fork]": " C", "[Child]": "a" * 50}
    outcome, backend = await think("threads:protocol=apar", Writer(replies, seconds=lambda key: 5.0))
    assert [record.started for record in backend.records] == [0.0, 5.0, 5.0]
    assert outcome.critical_path_tokens == len("A:[Fork]") + 50


@virtual_clock
async def test_titles_are_decoded_side_by_side_without_their_ellipses() -> None:
    model = Writer(
        {
            "each step below its title.": "Steps.\n####A:......\n####B:......\n####%%%%",
            "####A:": "do a\n####B:",
            "####B:": "do b\n####%%%%",
            "####%%%%\n": "End \\boxed{1}",
        }
    )
    outcome, _ = await think("threads:protocol=skeleton", model)
    assert len(spans(outcome)) == 2
    assert outcome.text == "Steps.\n####A:do a\n####B:do b\n####%%%%\nEnd \\boxed{1}"
    assert model.written[1].endswith("####%%%%\n####A:")


@virtual_clock
async def test_a_skeleton_of_thought_is_expanded_point_by_point() -> None:
    model = Writer(
        {
            "and nothing else.": "1. Bake bread\n2. Eat it",
            "Write out point 1, Bake bread, and no other point, in one or two sentences. "
            "Do not repeat its number or its words.": "In an oven.",
            "Write out point 2, Eat it, and no other point, in one or two sentences. "
            "Do not repeat its number or its words.": "With butter.",
        }
    )
    outcome, _ = await think("threads:protocol=skeleton_of_thought", model)
    assert outcome.text == "1. Bake bread In an oven.\n2. Eat it With butter."
    assert all("1. Bake bread\n2. Eat it" in prompt.question for prompt in model.prompts[1:])
