"""What threads make of an engine: token ids, caches, streams, and engines that have none of these."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.test_threads_golden import WEAVED, weaver
from tests.unit.thread_scripts import QUESTION, Writer, begun, think
from ttscale.errors import CapabilityError
from ttscale.testing import EVERYTHING, Reply, virtual_clock
from ttscale.types import Prompt

PLAIN = replace(EVERYTHING, token_ids=False)
HEADER = WEAVED[: WEAVED.index("</Outlines>") + len("</Outlines>")]


@virtual_clock
async def test_what_was_written_keeps_its_tokens_in_branches_and_joins() -> None:
    """Tokens without a text tell: text that is tokenised again loses them."""

    def model(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        text = {"": "<Parallel>", "<Path>": "x</Path>", "<Summary>": "\\boxed{1}"}
        end = next(text[key] for key in ("<Path>", "<Summary>", "") if begun(prompt).endswith(key))
        return Reply(end, num_tokens=len(end) + 3)

    _, backend = await think("threads:protocol=parallel_r1", model)
    root, one, join = [request.prompt.token_ids or () for request in backend.requests]
    header, path = len("<Parallel>") + 3, len("<Path>")
    assert len(backend.requests[1].seeds) == 2
    assert len(one) == len(root) + header + path
    assert join[: len(one)] == one
    assert len(join) == len(one) + 2 * (len("x</Path>") + 3) + path + len("</Parallel>\n<Summary>")


@virtual_clock
async def test_a_join_computes_no_more_than_the_branches_that_it_has_not_seen() -> None:
    """Prompted anew, the whole trace would have to be computed at each join."""
    outcome, backend = await think("threads:protocol=threadweaver", weaver())
    assert outcome.work is not None
    sharing = outcome.work.sharing
    assert sharing is not None
    asked = len(backend.requests[0].prompt.token_ids or ())
    put = len("\n<Thread>\n1:") + len("\n<Thread>\n2:") - 1 + len("\n")
    second = len("<Thread>\n2:" + " t </Thread>")
    assert sharing.unshared <= asked + put + second + len("\n")


@virtual_clock
async def test_what_has_to_be_computed_grows_with_the_text_and_not_with_its_square() -> None:
    """Prompted anew as text at each join, a trace shares nothing behind the first token without a text."""

    def model(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        end = "x" * 20 + ("</Path>" if begun(prompt).endswith("<Path>") else "<Parallel>")
        return Reply(end, num_tokens=len(end) + 10)

    unshared = list[int]()
    for num_forks in (4, 8):
        outcome, _ = await think(f"threads:protocol=parallel_r1,max_forks={num_forks}", model)
        assert outcome.work is not None
        assert outcome.work.sharing is not None
        unshared.append(outcome.work.sharing.unshared)
    assert unshared[1] < 2 * unshared[0]


@virtual_clock
async def test_without_a_stream_the_trace_is_the_same() -> None:
    slow = replace(EVERYTHING, stream=False)
    model = {f"<think{n}>": str(n) * (8 - n) + f"</think{n}>" for n in (1, 2, 3)}
    spec = "threads:protocol=parathinker,max_branches=3"
    outcome, _ = await think(spec, Writer({**model, "<summary>": "s"}), capabilities=slow)
    assert outcome.text == "<think1>11111</think1><think2>22222</think2><think3>33333</think3><summary>s"


# ── engines without token ids ─────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_an_open_turn_is_continued_where_that_is_asked_for() -> None:
    model = weaver()
    outcome, _ = await think("threads:protocol=threadweaver,continue_by=turn", model, capabilities=PLAIN)
    assert outcome.text == WEAVED
    assert model.written[1] == f"{HEADER}\n<Thread>\n1:"


@virtual_clock
async def test_otherwise_the_model_is_asked_to_go_on_by_a_message() -> None:
    """An engine that closes the turn would answer as if nothing stood there."""

    def model(prompt: Prompt, seed: int, ordinal: int) -> str:
        assert [message.role for message in prompt.messages] == ["user"]
        prompts.append(prompt.question)
        if prompt.question == QUESTION:
            return HEADER
        stands = prompt.question.removesuffix(
            "\n\nGo on exactly where it ends. Repeat nothing of it, and do not comment on it."
        )
        ends = {"1:": " p q r s </Thread>", "2:": " t </Thread>", "</Thread>\n": "</Parallel> d e"}
        return next(reply for end, reply in ends.items() if stands.endswith(end))

    prompts = list[str]()
    outcome, _ = await think("threads:protocol=threadweaver", model, capabilities=PLAIN)
    assert outcome.text == WEAVED
    assert f"{QUESTION}\n\nYou have begun to write the reply." in prompts[1]


@virtual_clock
async def test_bare_text_is_continued_by_any_engine() -> None:
    outcome, _ = await think(
        "threads:protocol=threadweaver", weaver(), prompt=Prompt(text=QUESTION), capabilities=PLAIN
    )
    assert outcome.text == WEAVED


@virtual_clock
@pytest.mark.parametrize("protocol", ["parallel_r1", "apar"])
async def test_a_fork_that_an_engine_hides_is_refused(protocol: str) -> None:
    with pytest.raises(CapabilityError, match="needs token_ids"):
        await think(f"threads:protocol={protocol}", Writer({}), capabilities=PLAIN)


@virtual_clock
async def test_stop_strings_are_needed() -> None:
    with pytest.raises(CapabilityError, match="stop_strings"):
        await think("threads", Writer({}), capabilities=replace(EVERYTHING, stop_strings=False))
