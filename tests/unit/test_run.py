"""What a strategy can rely on: blocks, early stops, budgets, deadlines, children, scores, tools."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import pytest

from ttscale.backends.base import Capabilities
from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.errors import BudgetExhausted, CapabilityError, VerifierError
from ttscale.run import Run
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.testing.function_strategy import FunctionStrategy
from ttscale.tools import FunctionTool
from ttscale.types import JSON, Message, Outcome, Problem, Prompt, Sample, Sampling, Score
from ttscale.verifier import Example

ASK = Problem.ask("Q")
Body = Callable[[Run], Awaitable[str | None]]


def lengths(*tokens: int) -> list[Reply]:
    """Return replies of so many tokens each; at 0.01 s a token."""
    return [Reply("x" * count) for count in tokens]


async def run_on(backend: FakeBackend, body: Body, *, budget: Budget | None = None) -> Outcome:
    """Run a strategy body on a fresh engine and check that it leaves nothing behind."""
    async with Engine(backend) as engine:
        outcome = await engine.solve(ASK, strategy=FunctionStrategy(body=body), budget=budget)
        assert backend.num_running == 0
        assert engine.ledger.reserved.tokens == 0
        assert engine.room.scheduler.statistics().in_flight == 0
    return outcome


@virtual_clock
async def test_samples_arrive_as_they_finish_and_carry_their_index() -> None:
    async def body(run: Run) -> str:
        async with run.sample("Q", n=3) as samples:
            return ",".join([str(sample.index) async for sample in samples])

    assert (await run_on(FakeBackend(lengths(30, 10, 20)), body)).answer == "1,2,0"


@virtual_clock
async def test_leaving_the_block_aborts_the_rest_and_charges_what_it_used() -> None:
    backend = FakeBackend(lengths(10, 500, 500), seconds_per_token=0.01)

    async def body(run: Run) -> str:
        async with run.sample("Q", n=3) as samples:
            async for sample in samples:
                return sample.text
        return "none"

    outcome = await run_on(backend, body)
    assert outcome.answer == "x" * 10
    assert outcome.usage.generated == 10
    assert 18 <= outcome.usage.cancelled <= 22  # two samples of about as many tokens as the first
    assert backend.engine_tokens == outcome.usage.generated + outcome.usage.cancelled
    assert outcome.seconds == pytest.approx(0.1, abs=0.02)


@virtual_clock
async def test_samples_that_wait_for_admission_cost_nothing_when_the_block_is_left() -> None:
    backend = FakeBackend(lengths(10), batch_size=2)

    async def body(run: Run) -> str:
        async with run.sample("Q", n=100) as samples:
            async for sample in samples:
                return sample.text
        return "none"

    outcome = await run_on(backend, body)
    assert outcome.usage.calls <= 5  # the window of 2, one in reserve, and two refills


@virtual_clock
async def test_one_sample_can_be_aborted_alone() -> None:
    async def body(run: Run) -> str:
        async with run.sample("Q", n=2) as samples:
            await asyncio.sleep(0.055)
            samples.abort(0)
            got = {sample.index: sample async for sample in samples}
        return f"{got[0].finish_reason} {got[0].num_tokens} {got[1].finish_reason} {got[1].num_tokens}"

    assert (await run_on(FakeBackend(lengths(50, 20)), body)).answer == "abort 5 stop 20"


@virtual_clock
async def test_stop_ends_the_iteration_from_another_task() -> None:
    async def body(run: Run) -> str:
        async with run.sample("Q", n=4) as samples, asyncio.TaskGroup() as group:

            async def stop_later() -> None:
                await asyncio.sleep(0.15)
                samples.stop()

            group.create_task(stop_later())
            return str([sample.index async for sample in samples])
        raise AssertionError

    assert (await run_on(FakeBackend(lengths(10, 20, 10, 30)), body)).answer == "[0, 2]"


@virtual_clock
async def test_streaming_delivers_pieces_and_leaving_early_stops_inside_the_sample() -> None:
    backend = FakeBackend("abcdefghij" * 10)

    async def body(run: Run) -> str:
        text = ""
        async with run.stream("Q") as pieces:
            async for piece in pieces:
                text += piece.text
                if "d" in text:
                    break
        return text

    outcome = await run_on(backend, body)
    assert outcome.answer == "abcd"
    assert outcome.usage.cancelled < 10


@virtual_clock
async def test_a_whole_stream_gives_its_sample_at_the_end() -> None:
    async def body(run: Run) -> str | None:
        async with run.stream("Q", sampling=Sampling(logprobs=0)) as pieces:
            text = "".join([piece.text async for piece in pieces])
        assert pieces.sample is not None
        assert pieces.sample.logprobs is not None
        assert len(pieces.sample.logprobs) == len(pieces.sample.token_ids)
        return text if text == pieces.sample.text else None

    assert (await run_on(FakeBackend("hello"), body)).answer == "hello"


@virtual_clock
async def test_extend_continues_from_the_token_ids() -> None:
    backend = FakeBackend(["one. two. three.", " next"])

    async def body(run: Run) -> str:
        async with run.sample("Q", sampling=Sampling(stop=("two",))) as samples:
            first = await anext(samples)
        async with run.extend(first) as samples:
            second = await anext(samples)
        assert first.prompt.token_ids is not None
        assert second.prompt == Prompt(token_ids=first.prompt.token_ids + first.token_ids)
        return first.text + "|" + second.text

    assert (await run_on(backend, body)).answer == "one. | next"


@virtual_clock
async def test_extend_puts_a_text_in_place_of_what_ended_the_sample() -> None:
    backend = FakeBackend(["one. two. three.", " next", "|"])

    async def body(run: Run) -> str:
        async with run.sample("Q", sampling=Sampling(stop=("two",))) as samples:
            stopped = await anext(samples)
        async with run.extend(stopped, then="but", sampling=Sampling(max_tokens=3)) as samples:
            cut = await anext(samples)
        assert cut.prompt == run.append("Q", "one. but")
        async with run.extend(cut, then="er", sampling=Sampling(stop_token_ids=(ord("|"),))) as samples:
            empty = await anext(samples)
        assert empty.prompt == run.append("Q", "one. but neer")  # what was cut off has no end to leave out
        assert (empty.text, empty.num_tokens) == ("", 1)
        async with run.extend(empty, then="!") as samples:
            return run.decode((await anext(samples)).prompt.token_ids or ())

    assert (await run_on(backend, body)).answer == "Qone. but neer!"


@virtual_clock
async def test_where_no_token_ids_are_taken_a_text_goes_into_the_conversation() -> None:
    asked = list[Prompt]()

    def script(prompt: Prompt, seed: int, ordinal: int) -> str:
        asked.append(prompt)
        return "one two"

    async def body(run: Run) -> str:
        async with run.sample(run.append("Q", "So "), sampling=Sampling(stop=("two",))) as samples:
            first = await anext(samples)
        async with run.extend(first, then="but") as samples:
            return (await anext(samples)).text

    capabilities = Capabilities(stop_strings=True)
    await run_on(FakeBackend(script, capabilities=capabilities), body)
    question = Message("user", "Q")
    assert [prompt.messages for prompt in asked] == [
        (question, Message("assistant", "So ")),
        (question, Message("assistant", "So one but")),
    ]


@virtual_clock
async def test_the_critical_path_is_the_longest_chain_not_the_sum() -> None:
    backend = FakeBackend(lengths(30, 10, 5, 7))

    async def body(run: Run) -> str:
        async with run.sample("Q", n=2) as samples:
            drawn = [sample async for sample in samples]
        async with run.extend(drawn[0], n=2) as samples:
            return str([sample.critical_path_tokens async for sample in samples])

    outcome = await run_on(backend, body)
    assert outcome.answer == "[35, 37]"
    assert outcome.critical_path_tokens == 37


@virtual_clock
async def test_a_token_budget_is_kept_and_the_best_so_far_comes_back() -> None:
    async def body(run: Run) -> str:
        async with run.sample("Q", n=50) as samples:
            async for sample in samples:
                run.best(sample, confidence=sample.index / 100)
        return "all"

    outcome = await run_on(FakeBackend(lengths(40)), body, budget=Budget(tokens=500))
    assert outcome.stop_reason == "budget"
    assert outcome.answer == "x" * 40
    assert 200 < outcome.usage.tokens <= 500
    assert outcome.error is None


@virtual_clock
async def test_the_strategy_is_told_after_everything_drawn_was_delivered() -> None:
    async def body(run: Run) -> str:
        count = 0
        try:
            async with run.sample("Q", n=50) as samples:
                async for _ in samples:
                    count += 1
        except BudgetExhausted:
            return f"told after {count} of {run.budget.usage.calls}"
        return "never told"

    outcome = await run_on(FakeBackend(lengths(40)), body, budget=Budget(samples=7))
    assert (outcome.answer, outcome.stop_reason) == ("told after 7 of 7", "finished")


@virtual_clock
async def test_a_budget_too_small_for_one_sample_gives_no_answer_and_says_so() -> None:
    async def body(run: Run) -> str:
        async with run.sample("Q", n=5) as samples:
            return (await anext(samples)).text

    outcome = await run_on(FakeBackend("x"), body, budget=Budget(tokens=1))
    assert (outcome.answer, outcome.stop_reason, outcome.usage.tokens) == (None, "budget", 0)
    assert outcome.error is not None
    assert "1 tokens" in outcome.error


@virtual_clock
async def test_a_deadline_returns_the_best_answer_so_far() -> None:
    async def body(run: Run) -> str:
        async with run.sample("Q", n=2) as samples:
            async for sample in samples:
                run.best(sample)
        return "all"

    outcome = await run_on(FakeBackend(lengths(10, 10_000)), body, budget=Budget(seconds=1.0))
    assert (outcome.answer, outcome.stop_reason) == ("x" * 10, "budget")
    assert outcome.seconds == pytest.approx(1.0, abs=0.05)
    assert outcome.usage.cancelled == pytest.approx(100, abs=2)


@virtual_clock
async def test_a_childs_spending_counts_above_and_its_own_limit_holds() -> None:
    async def body(run: Run) -> str:
        async with run.child(label="sub", budget=Budget(samples=2)) as child:
            drawn = 0
            try:
                async with child.sample("Q", n=9) as samples:
                    async for _ in samples:
                        drawn += 1
            except BudgetExhausted as error:
                return f"{drawn} of {run.budget.usage.calls} in {error.scope}"
        return "never told"

    assert (await run_on(FakeBackend("x"), body)).answer == "2 of 2 in sub"


@virtual_clock
async def test_a_childs_deadline_is_an_exhausted_budget_for_its_parent() -> None:
    async def body(run: Run) -> str:
        with pytest.raises(BudgetExhausted, match="seconds"):
            async with (
                run.child(label="sub", budget=Budget(seconds=0.5)) as child,
                child.sample("Q") as samples,
            ):
                await anext(samples)
        return "went on"

    assert (await run_on(FakeBackend(lengths(1000)), body)).answer == "went on"


@virtual_clock
async def test_equal_children_and_repeated_samples_draw_different_seeds() -> None:
    async def body(run: Run) -> str:
        seeds: list[int] = []
        for _ in range(2):
            async with run.child(label="same") as child, child.sample("Q", n=2) as samples:
                seeds += [sample.seed async for sample in samples]
            async with run.sample("Q", n=2) as samples:
                seeds += [sample.seed async for sample in samples]
        return str(len(set(seeds)))

    assert (await run_on(FakeBackend("x"), body)).answer == "8"


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A verifier that asks the model itself."""

    scores: int = 1
    needs: ClassVar[frozenset[str]] = frozenset()
    needs_target: ClassVar[bool] = False

    async def score(self, problem: Problem, samples: Sequence[Sample], run: Run) -> list[Score]:
        async with run.sample("is it right?") as judged:
            verdict = await anext(judged)
        return [Score(value=float(len(verdict.text)), high=100)] * self.scores

    def examples(self) -> Sequence[Example]:
        return ()


@virtual_clock
async def test_a_verifiers_tokens_are_spent_from_the_same_budget_in_their_own_bucket() -> None:
    async def body(run: Run) -> str:
        async with run.sample("Q") as samples:
            sample = await anext(samples)
        (score,) = await run.score([sample], Asking())
        return str(score.value)

    outcome = await run_on(FakeBackend({"Q": "x" * 9, "is it right?": "x" * 4}), body)
    assert outcome.answer == "4.0"
    assert outcome.usage.generated == 9
    assert outcome.usage.verifier > 4  # its prompt too
    assert outcome.critical_path_tokens == 13


@virtual_clock
async def test_a_verifier_that_miscounts_is_reported() -> None:
    async def body(run: Run) -> str:
        async with run.sample("Q") as samples:
            sample = await anext(samples)
        with pytest.raises(VerifierError, match="2 scores for 1 samples"):
            await run.score([sample], Asking(scores=2))
        return "told"

    assert (await run_on(FakeBackend("x"), body)).answer == "told"


@virtual_clock
async def test_tool_calls_are_counted_and_limited() -> None:
    async def double(number: int) -> JSON:
        return 2 * number

    async def body(run: Run) -> str:
        tool = FunctionTool(function=double)
        results = [await run.call(tool, number=21)]
        with pytest.raises(BudgetExhausted, match="tool_calls"):
            await run.call(tool, number=1)
        return str(results[0].value)

    outcome = await run_on(FakeBackend("x"), body, budget=Budget(tool_calls=1))
    assert (outcome.answer, outcome.usage.tool_calls) == ("42", 1)


@virtual_clock
async def test_a_failed_sample_is_data() -> None:
    backend = FakeBackend([Reply("xxxx", error="out of memory", fail_after=2), Reply("fine")])

    async def body(run: Run) -> str:
        async with run.sample("Q", n=2) as samples:
            drawn = sorted([sample async for sample in samples], key=lambda sample: sample.index)
        return f"{drawn[0].finish_reason}: {drawn[0].error}; {drawn[1].text}"

    outcome = await run_on(backend, body)
    assert outcome.answer is not None
    assert outcome.answer.startswith("error: ")
    assert "out of memory" in outcome.answer
    assert outcome.answer.endswith("; fine")
    assert (outcome.usage.cancelled, outcome.usage.generated) == (2, 4)


@virtual_clock
async def test_a_strategy_that_fails_gives_an_outcome_with_its_error_and_its_bill() -> None:
    async def body(run: Run) -> str:
        async with run.sample("Q") as samples:
            run.best(await anext(samples))
        raise ZeroDivisionError("oh")

    outcome = await run_on(FakeBackend("xyz"), body)
    assert (outcome.stop_reason, outcome.error) == ("error", "ZeroDivisionError: oh")
    assert (outcome.answer, outcome.usage.generated) == ("xyz", 3)


@virtual_clock
async def test_cancelling_solve_stops_the_engine_work() -> None:
    backend = FakeBackend(lengths(10_000))

    async def body(run: Run) -> str:
        async with run.sample("Q", n=4) as samples:
            return (await anext(samples)).text

    async with Engine(backend) as engine, asyncio.TaskGroup() as group:
        task = group.create_task(engine.solve(ASK, strategy=FunctionStrategy(body=body)))
        await asyncio.sleep(0.5)
        assert backend.num_running == 4
        task.cancel()
        await asyncio.wait([task])
        assert backend.num_running == 0
        assert engine.ledger.usage.cancelled == pytest.approx(4 * 50, abs=8)


@virtual_clock
async def test_what_the_model_cannot_give_is_said_before_the_first_token() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Needy(FunctionStrategy):
        needs: ClassVar[frozenset[str]] = frozenset({"logprobs"})

    async def body(run: Run) -> str:
        raise AssertionError("never started")

    backend = FakeBackend("x", capabilities=FakeBackend("x").capabilities.__class__())
    async with Engine(backend) as engine:
        with pytest.raises(CapabilityError, match="logprobs"):
            await engine.solve(ASK, strategy=Needy(body=body))


@virtual_clock
async def test_the_trace_holds_every_sample_below_its_run() -> None:
    async def body(run: Run) -> str:
        async with run.child(label="sub") as child, child.sample("Q", n=2) as samples:
            drawn = [sample async for sample in samples]
        return str(len(drawn))

    outcome = await run_on(FakeBackend("hi"), body)
    kinds = [(span["kind"], span["parent"]) for span in outcome.trace]
    assert kinds == [("solve", None), ("child", 0), ("sample", 1), ("sample", 1)]
    assert all(span["end"] is not None for span in outcome.trace)
    assert Outcome.from_json(outcome.to_json()).trace == outcome.trace
