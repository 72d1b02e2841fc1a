"""Threads of models that write what they should not: lexemes in odd places, endless headers, odd characters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from tests.unit.thread_scripts import QUESTION, begun, spans, think
from ttscale.budget import Budget
from ttscale.testing import EVERYTHING, Reply, virtual_clock
from ttscale.types import JSON, Outcome, Prompt
from ttscale_strategies.threads import load_protocol, protocol_names
from ttscale_strategies.threads.reader import Outline, PlainReader

Say = Callable[[Prompt, int, int], Reply | str]

JOIN = "Put them together"


def rooted(
    header: str, *, part: str | Reply = "part", final: str = "So \\boxed{1}.", plain: str = "plain"
) -> Say:
    """Return a model that is given parts by words alone: it says this as root, as each part, and in the end."""

    def say(prompt: Prompt, seed: int, ordinal: int) -> Reply | str:
        asked = prompt.question
        if JOIN in asked:
            return final
        if "This part of a larger problem" in asked:
            return part
        return plain if asked == QUESTION else header

    return say


def weaved(header: str, *, thread: str = " t</Thread>", final: str = "\nSo \\boxed{1}.") -> Say:
    """Return a model that weaves threads: it says this first, in each thread, and behind them."""

    def say(prompt: Prompt, seed: int, ordinal: int) -> Reply | str:
        written = begun(prompt)
        if not written:
            return header
        return thread if written.rpartition("<Thread>\n")[2].rstrip(":").isdigit() else final

    return say


def told(outcome: Outcome) -> list[tuple[JSON, ...]]:
    return [(span["number"], span["outline"], span["ended"]) for span in spans(outcome)]


def parts(*named: str) -> str:
    return (
        "<parts>"
        + "".join(f"<part>{number}: {text}</part>" for number, text in enumerate(named, 1))
        + "</parts>"
    )


def outlines(*named: str) -> str:
    return (
        "<Outlines>"
        + "".join(f"<Outline>{n}: {text}</Outline>" for n, text in enumerate(named, 1))
        + "</Outlines>"
    )


# ── headers ───────────────────────────────────────────────────────────────────────────────────────────────

AGAIN = "<parts><part>1: a</part><part>2: b</part> no: " + parts("c", "d")


@virtual_clock
@pytest.mark.parametrize("stream", [True, False])
async def test_a_header_that_is_begun_again_has_the_parts_that_have_begun(stream: bool) -> None:
    outcome, backend = await think("threads", rooted(AGAIN), capabilities=replace(EVERYTHING, stream=stream))
    assert told(outcome) == [("1", "a", "end"), ("2", "b", "end")]
    assert len(backend.records) == 4


@virtual_clock
async def test_headers_begun_over_and_over_do_not_begin_more_branches_than_may_be() -> None:
    header = "".join(f"<parts><part>{n}: x{n}</part>" for n in range(1, 30)) + "</parts>"
    outcome, backend = await think("threads:max_branches=4", rooted(header))
    assert [number for number, _, _ in told(outcome)] == ["1", "2", "3", "4"]
    assert len(backend.records) == 6


class Counting(PlainReader):
    """Counts the characters that it reads."""

    num_read = 0

    def outlines(self, own: str, start: int) -> list[Outline]:
        Counting.num_read += len(own) - start
        return super().outlines(own, start)


@virtual_clock
async def test_a_header_without_end_is_read_in_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttscale_strategies.threads.threads.reader_of", Counting)
    read = list[int]()
    for length in (50, 100):
        Counting.num_read = 0
        header = "<parts>" + "".join(f"<part>{n}: x</part>" for n in range(length))
        await think("threads", rooted(header))
        read.append(Counting.num_read)
    assert read[1] < 2.6 * read[0]


@virtual_clock
async def test_hundreds_of_threads_are_joined_in_order() -> None:
    header = outlines(*["x"] * 200)
    spec = "threads:protocol=threadweaver,max_branches=200"
    outcome, backend = await think(spec, weaved(header, thread="</Thread>"))
    assert len(backend.records) == 202
    text = cast("str", outcome.text)
    assert (
        text
        == f"{header}\n" + "".join(f"<Thread>\n{n}:</Thread>" for n in range(1, 201)) + "\n\nSo \\boxed{1}."
    )


@virtual_clock
@pytest.mark.parametrize(
    "header",
    [
        "</Outlines>",
        "</Thread></Parallel></Outlines>",
        "<Outlines></Outlines>",
        "<Outlines><Outline>1</Outline></Outlines>",
        "<Outlines><Outline>: x</Outline></Outlines>",
        "<Outlines><Outline>-1: x</Outline></Outlines>",
        "<Outlines><Outline>99999: x</Outline></Outlines>",
        "<Outlines><Outline>\u0661: x</Outline></Outlines>",
        "<outlines><outline>1: x</outline></outlines>",
        "<Outlines><Outline" * 40,
    ],
)
async def test_what_names_no_thread_is_text(header: str) -> None:
    def say(prompt: Prompt, seed: int, ordinal: int) -> str:
        return header if not begun(prompt) else "So \\boxed{1}."

    outcome, _ = await think("threads:protocol=threadweaver,max_forks=3", say)
    assert told(outcome) == []
    assert (outcome.text or "").startswith(header)
    assert outcome.stop_reason == "finished"


# ── branches ──────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
@pytest.mark.parametrize(
    "body",
    [
        "",
        " ",
        "\n\n",
        "\u202e\u200b\u0130\U0001f600",
        "{number}{text}",
        "\x00\x1b[31m",
        outlines("a", "b"),
        "<Thread>\n7:",
    ],
)
async def test_whatever_a_thread_holds_stands_in_the_trace_as_it_is(body: str) -> None:
    header = outlines("x", "y")
    outcome, _ = await think("threads:protocol=threadweaver", weaved(header, thread=f"{body}</Thread>"))
    blocks = "".join(f"<Thread>\n{number}:{body}</Thread>" for number in (1, 2))
    assert outcome.text == f"{header}\n{blocks}\n\nSo \\boxed{{1}}."
    assert (outcome.answer, len(told(outcome))) == ("1", 2)


@virtual_clock
@pytest.mark.parametrize(
    "text", ["{number}", "{text}", "{question}", "{results}", "{data}", "\\boxed{7}", "</result>"]
)
async def test_places_in_outlines_and_results_are_text(text: str) -> None:
    header = parts(text, "other").replace("</result>", "result")
    outcome, backend = await think("threads", rooted(header, part=f"It is {text}."))
    assert len(backend.records) == 4
    assert f"<result>1: It is {text}.</result>" in (outcome.text or "")
    assert outcome.answer == "1"


@virtual_clock
@pytest.mark.parametrize(
    "bad", [Reply("", num_tokens=1), Reply("half", error="lost"), Reply("", error="lost", fail_after=0)]
)
async def test_parts_that_bring_nothing_are_said_to(bad: Reply) -> None:
    outcome, _ = await think("threads", rooted(parts("a", "b"), part=bad))
    assert outcome.answer == "1"
    assert outcome.stop_reason == "finished"


@virtual_clock
async def test_a_root_that_fails_in_its_header_answers_nothing() -> None:
    def say(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        return Reply(parts("a", "b"), error="lost", fail_after=30)

    outcome, backend = await think("threads", say)
    assert (outcome.answer, outcome.stop_reason) == (None, "error")
    assert "lost" in (outcome.error or "")
    assert backend.num_running == 0


# ── budgets ───────────────────────────────────────────────────────────────────────────────────────────────

ANYTHING = (
    "<Parallel>" + outlines("x", "y") + "<Goal><Outline>1: x</Outline><Outline>2: y</Outline></Goal>"
    "<guideline><plan>1: x</plan><plan>2: y</plan></guideline>"
    + parts("a", "b")
    + "[Fork]####A:......\n####B:......\n"
    "####%%%%1. one\n2. two\n</Path></Thread></step></think></result></Parallel>So \\boxed{1}."
)


def balance(text: str, tags: tuple[tuple[str, str], ...]) -> list[int]:
    return [text.count(opening) - text.count(closing) for opening, closing in tags]


@pytest.mark.slow
@virtual_clock
@pytest.mark.parametrize("protocol", protocol_names())
async def test_a_model_that_writes_every_lexeme_at_once_ends_within_any_budget(protocol: str) -> None:
    def say(prompt: Prompt, seed: int, ordinal: int) -> str:
        written = begun(prompt)
        # Where a lexeme ended it, the rest of the same comes next; else all of it once more.
        at = max(
            (len(ANYTHING[:n]) for n in range(1, len(ANYTHING)) if written.endswith(ANYTHING[:n])), default=0
        )
        return ANYTHING[at:]

    spec = f"threads:protocol={protocol},max_forks=3,max_depth={min(2, load_protocol(protocol).max_depth)}"
    whole, backend = await think(f"{spec},max_tokens=700", say)
    assert whole.error is None
    for share in (0.03, 0.2, 0.5, 0.8, 0.97):
        budget = Budget(tokens=max(1, int(whole.usage.tokens * share)))
        outcome, backend = await think(f"{spec},max_tokens=700", say, budget=budget)
        assert outcome.usage.tokens <= (budget.tokens or 0)
        assert outcome.error is None or outcome.stop_reason == "budget"
        assert backend.num_running == 0
    for samples in (1, 2, 3):
        outcome, _ = await think(f"{spec},max_tokens=700", say, budget=Budget(samples=samples))
        assert outcome.usage.calls <= samples
    outcome, _ = await think(f"{spec},max_tokens=700", say, budget=Budget(seconds=whole.seconds / 2))
    assert outcome.stop_reason == "budget"
