"""Turns at a shared budget: by value, few at a time, and none left behind."""

from __future__ import annotations

import asyncio
import math
from collections import Counter

import pytest

from ttscale.budget import Budget
from ttscale.engine import Engine
from ttscale.errors import ConfigError
from ttscale.run import Run
from ttscale.scheduling import Auction
from ttscale.strategy import takes_turns
from ttscale.testing import FakeBackend, virtual_clock
from ttscale.testing.function_strategy import FunctionStrategy
from ttscale.types import Outcome, Problem, Prompt, Sampling
from ttscale_strategies.voting import AllocatedVote, SelfConsistency


async def bid(auction: Auction, name: str, values: list[float], log: list[str], *, order: int = 0) -> None:
    """Have a turn of a second for each value."""
    async with auction.bidder(order) as bidder:
        for value in values:
            await bidder.claim(value)
            log.append(name)
            await asyncio.sleep(1)


@virtual_clock
async def test_the_highest_bid_has_the_next_turn_and_equal_ones_go_by_order() -> None:
    auction, log = Auction(1), list[str]()
    async with asyncio.TaskGroup() as group:
        group.create_task(bid(auction, "low", [0.1], log))
        group.create_task(bid(auction, "later", [0.5], log, order=2))
        group.create_task(bid(auction, "sooner", [0.5], log, order=1))
        group.create_task(bid(auction, "first", [math.inf], log, order=9))
    assert log == ["first", "sooner", "later", "low"]
    assert (auction.num_turns, auction.num_waiting) == (0, 0)


@virtual_clock
async def test_who_has_had_a_turn_bids_against_those_who_wait() -> None:
    auction, log = Auction(1), list[str]()
    async with asyncio.TaskGroup() as group:
        group.create_task(bid(auction, "a", [math.inf, 0.4, 0.1], log))
        group.create_task(bid(auction, "b", [math.inf, 0.3, 0.2], log))
    assert "".join(log) == "ababba"


@virtual_clock
async def test_so_many_have_a_turn_at_once() -> None:
    auction, log = Auction(3), list[str]()
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        for number in range(7):
            group.create_task(bid(auction, str(number), [1.0], log, order=number))
        await asyncio.sleep(0.5)
        assert (auction.num_turns, auction.num_waiting) == (3, 4)
    assert (loop.time(), log) == (3.0, list("0123456"))


@virtual_clock
async def test_without_a_number_of_turns_every_bid_wins_at_once() -> None:
    auction, log = Auction(), list[str]()
    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(bid(auction, str(number), [0.0, 0.0], log))
    assert asyncio.get_running_loop().time() == 2.0


@virtual_clock
async def test_a_bidder_that_is_cancelled_while_it_waits_takes_no_turn() -> None:
    auction, log = Auction(1), list[str]()
    async with asyncio.TaskGroup() as group:
        group.create_task(bid(auction, "holder", [1.0], log))
        waiting = group.create_task(bid(auction, "cancelled", [0.9], log))
        group.create_task(bid(auction, "next", [0.1], log))
        await asyncio.sleep(0.5)
        waiting.cancel()
    assert log == ["holder", "next"]
    assert (auction.num_turns, auction.num_waiting) == (0, 0)


@pytest.mark.parametrize("num_rounds", range(6))
@virtual_clock
async def test_however_late_a_bidder_is_cancelled_no_turn_is_lost(num_rounds: int) -> None:
    auction, log = Auction(1), list[str]()
    async with asyncio.TaskGroup() as group:
        group.create_task(bid(auction, "holder", [1.0], log))
        unlucky = group.create_task(bid(auction, "unlucky", [0.9], log))
        group.create_task(bid(auction, "next", [0.1], log))
        await asyncio.sleep(1)  # the holder's second is over, and what follows happens round by round
        for _ in range(num_rounds):
            await asyncio.sleep(0)
        unlucky.cancel()
    assert log[-1] == "next"
    assert (auction.num_turns, auction.num_waiting) == (0, 0)


async def test_a_value_is_a_number_and_there_is_one_turn_at_least() -> None:
    with pytest.raises(ValueError, match="must be a number, got nan"):
        await Auction(1).bidder().claim(math.nan)
    with pytest.raises(ValueError, match="max_turns must be >= 1, got 0"):
        Auction(0)


# ── on an engine ──────────────────────────────────────────────────────────────────────────────────────────

ANSWERS = {
    "easy": ["1"] * 9,
    "close": ["1", "2", "1", "2", "1", "2", "1", "2", "1"],
    "clear": ["1", "1", "1", "2", "1", "1", "1", "1", "1"],
}
"""What is said of a question, sample by sample; all samples are equally long."""


def scripted() -> FakeBackend:
    asked = Counter[str]()

    def reply(prompt: Prompt, seed: int, ordinal: int) -> str:
        name = prompt.question
        asked[name] += 1
        return f"\\boxed{{{ANSWERS[name][asked[name] - 1]}}}"

    return FakeBackend(reply)


async def solve_all(engine: Engine, budget: Budget | None, **options: int) -> dict[str, Outcome]:
    purse = None if budget is None else engine.purse(budget, max_turns=1)
    strategy = AllocatedVote(n=9, max_tokens=40, **options)
    async with asyncio.TaskGroup() as group:
        tasks = {
            name: group.create_task(engine.solve(Problem.ask(name), strategy=strategy, purse=purse))
            for name in ANSWERS
        }
    return {name: task.result() for name, task in tasks.items()}


@virtual_clock
async def test_what_is_shared_goes_to_the_undecided_question() -> None:
    async with Engine(scripted()) as engine:
        outcomes = await solve_all(engine, Budget(samples=12))
        assert engine.ledger.committed.samples == 12
    drawn = {name: outcome.usage.calls for name, outcome in outcomes.items()}
    # the second sample goes to the earliest of three that are worth the same
    assert drawn == {"easy": 2, "close": 9, "clear": 1}
    assert {name: outcome.stop_reason for name, outcome in outcomes.items()} == {
        "easy": "budget",
        "close": "finished",
        "clear": "budget",
    }


@virtual_clock
async def test_with_enough_for_all_every_question_stops_when_it_is_decided() -> None:
    async with Engine(scripted()) as engine:
        outcomes = await solve_all(engine, Budget(samples=100))
    assert {name: outcome.usage.calls for name, outcome in outcomes.items()} == {
        "easy": 5,
        "close": 9,
        "clear": 6,
    }
    assert outcomes["easy"].stop_reason == "decided"


@virtual_clock
async def test_everybody_has_a_first_sample_before_anybody_has_more() -> None:
    async with Engine(scripted()) as engine:
        outcomes = await solve_all(engine, Budget(samples=3))
        assert all(outcome.key == "1" for outcome in outcomes.values())
    async with Engine(scripted()) as engine:
        outcomes = await solve_all(engine, Budget(samples=6), first=2)
    assert [outcome.usage.calls for outcome in outcomes.values()] == [2, 2, 2]


@virtual_clock
async def test_the_budget_of_the_engine_is_shared_as_well() -> None:
    strategy = AllocatedVote(n=9)
    engine = Engine(scripted(), max_in_flight=1, budget=Budget(samples=12))
    async with engine, asyncio.TaskGroup() as group:
        tasks = [group.create_task(engine.solve(Problem.ask(name), strategy=strategy)) for name in ANSWERS]
    assert [task.result().usage.calls for task in tasks] == [2, 9, 1]


@virtual_clock
async def test_without_a_shared_budget_it_answers_as_all_samples_do_and_draws_fewer() -> None:
    async with Engine(scripted()) as engine:
        ours = await solve_all(engine, None)
    async with Engine(scripted()) as engine:
        for name, outcome in ours.items():
            every = await engine.solve(Problem.ask(name), strategy=SelfConsistency(n=9, stop="never"))
            assert (outcome.key, outcome.usage.calls <= every.usage.calls) == (every.key, True)


@virtual_clock
async def test_what_is_spent_never_exceeds_what_is_shared() -> None:
    async with Engine(scripted()) as engine:
        outcomes = await solve_all(engine, Budget(tokens=130))
        spent = sum(outcome.usage.tokens for outcome in outcomes.values())
        assert spent == engine.ledger.committed.tokens
    assert 100 < spent <= 130


@virtual_clock
async def test_a_question_that_is_called_off_leaves_its_turn_to_the_others() -> None:
    async with Engine(scripted()) as engine:
        purse = engine.purse(Budget(samples=20), max_turns=1)
        strategy = AllocatedVote(n=9)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(engine.solve(Problem.ask(name), strategy=strategy, purse=purse))
                for name in ("close", "easy")
            ]
            await asyncio.sleep(0.01)
            assert purse.auction.num_turns == 1
            tasks[0].cancel()
        assert tasks[1].result().stop_reason == "decided"
        assert (purse.auction.num_turns, purse.auction.num_waiting) == (0, 0)
        assert purse.scope.reserved.samples == 0


@virtual_clock
async def test_what_is_not_known_of_the_model_cannot_be_shared() -> None:
    async with Engine(scripted()) as engine:
        with pytest.raises(ConfigError, match="no price is known for 'fake'"):
            engine.purse(Budget(usd=1.0))


@virtual_clock
async def test_seconds_that_are_shared_end_for_all_at_once() -> None:
    async with Engine(scripted()) as engine:
        outcomes = await solve_all(engine, Budget(seconds=0.25))  # a sample takes 0.1
        assert asyncio.get_running_loop().time() == pytest.approx(0.25)
    assert {outcome.stop_reason for outcome in outcomes.values()} == {"budget"}
    assert [outcome.key for outcome in outcomes.values()].count("1") == 2


@virtual_clock
async def test_children_bid_where_their_parent_does() -> None:
    turns = list[int]()

    async def body(run: Run) -> str:
        async with run.child(label="inner") as child, child.bidder() as bidder:
            await bidder.claim(1.0)
            turns.append(purse.auction.num_turns)
            async with child.sample("easy", sampling=Sampling(max_tokens=20)) as samples:
                return (await anext(samples)).text

    async with Engine(scripted()) as engine:
        purse = engine.purse(Budget(samples=2), max_turns=1)
        await engine.solve("easy", strategy=FunctionStrategy(body=body), purse=purse)
    assert turns == [1]


def test_a_strategy_says_that_it_takes_turns() -> None:
    assert takes_turns(AllocatedVote())
    assert not takes_turns(SelfConsistency())


@virtual_clock
async def test_a_turn_is_of_so_many_samples_and_the_last_of_the_rest() -> None:
    async with Engine(scripted()) as engine:
        outcomes = await solve_all(engine, Budget(samples=100), first=2, step=3)
    assert {name: outcome.usage.calls for name, outcome in outcomes.items()} == {
        "easy": 5,
        "close": 9,
        "clear": 8,
    }


def test_the_first_samples_are_among_all() -> None:
    with pytest.raises(ValueError, match="first must be at most n = 2, got 3"):
        AllocatedVote(n=2, first=3)
