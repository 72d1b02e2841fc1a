"""The ledger's behaviour, example by example."""

from __future__ import annotations

import asyncio

import pytest

from ttscale.budget import Amount, Budget, Scope
from ttscale.errors import BudgetExhausted, ConfigError
from ttscale.types import Usage


def tokens(units: int) -> Amount:
    """Return the price of `units` tokens after a prompt of 10."""
    return Amount(samples=1, tokens=10 + units)


def test_a_commit_books_what_was_used_and_frees_the_rest() -> None:
    scope = Scope(Budget(tokens=100))
    reservation = scope.try_reserve(tokens, 60)
    assert reservation is not None
    assert scope.remaining.tokens == 30
    reservation.commit(Usage(prompt_computed=10, generated=20, calls=1))
    assert scope.remaining.tokens == 70
    assert scope.usage.generated == 20


def test_what_a_child_spends_counts_in_every_scope_above() -> None:
    root = Scope(Budget(tokens=100))
    child = root.child(Budget(tokens=80), label="question")
    reservation = child.try_reserve(tokens, 30)
    assert reservation is not None
    reservation.commit(Usage(generated=40))
    assert (root.committed.tokens, child.committed.tokens) == (40, 40)
    assert child.remaining.tokens == 40


def test_a_claim_that_can_never_fit_whole_is_cut_down_to_what_is_left() -> None:
    reservation = Scope(Budget(tokens=50)).try_reserve(tokens, 500, least=1)
    assert reservation is not None
    assert reservation.units == 40


def test_a_claim_below_its_least_is_refused_with_what_and_where() -> None:
    with pytest.raises(BudgetExhausted, match="50 tokens of 'q' is spent: 110 needed, 50 left") as caught:
        Scope(Budget(tokens=50), label="q").try_reserve(tokens, 500, least=100)
    assert (caught.value.kind, caught.value.limit, caught.value.scope) == ("tokens", 50, "q")


async def test_a_claim_that_does_not_fit_now_waits_for_others_to_settle() -> None:
    scope = Scope(Budget(tokens=100))
    first = scope.try_reserve(tokens, 80)
    assert first is not None
    assert scope.try_reserve(tokens, 20) is None
    async with asyncio.TaskGroup() as group:
        second = group.create_task(scope.reserve(tokens, 20))
        await asyncio.sleep(0)
        assert not second.done()
        first.commit(Usage(generated=30))
    assert second.result().units == 20


async def test_waiting_claims_are_served_first_come_first_served() -> None:
    scope = Scope(Budget(tokens=100))
    first = scope.try_reserve(tokens, 90)
    assert first is not None
    order: list[str] = []

    async def claim(name: str, units: int) -> None:
        reservation = await scope.reserve(tokens, units)
        order.append(name)
        reservation.release()

    async with asyncio.TaskGroup() as group:
        group.create_task(claim("large", 80))
        await asyncio.sleep(0)
        group.create_task(claim("small", 1))  # would fit sooner, but came later
        await asyncio.sleep(0)
        first.release()
    assert order == ["large", "small"]


async def test_a_waiter_is_refused_once_what_it_waited_for_was_really_spent() -> None:
    scope = Scope(Budget(tokens=100))
    first = scope.try_reserve(tokens, 90)
    assert first is not None

    async def ask_too_much() -> None:
        with pytest.raises(BudgetExhausted):
            await scope.reserve(tokens, 50, 50)

    async with asyncio.TaskGroup() as group:
        group.create_task(ask_too_much())
        await asyncio.sleep(0)
        first.commit(Usage(generated=90))


async def test_a_cancelled_waiter_leaves_nothing_reserved() -> None:
    scope = Scope(Budget(tokens=100))
    first = scope.try_reserve(tokens, 90)
    assert first is not None
    async with asyncio.TaskGroup() as group:
        second = group.create_task(scope.reserve(tokens, 50))
        await asyncio.sleep(0)
        first.release()  # grants the second in this very moment
        second.cancel()
    assert scope.reserved == Amount()


def test_unlimited_quantities_remain_none() -> None:
    remaining = Scope(Budget(tokens=5)).remaining
    assert (remaining.tokens, remaining.usd, remaining.seconds) == (5, None, None)


def test_seconds_are_those_to_the_nearest_deadline_above() -> None:
    now = 0.0
    root = Scope(Budget(seconds=10), clock=lambda: now)
    now = 4.0
    child = root.child(Budget(seconds=100), label="child")
    assert child.seconds_left() == 6.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tokens=8_000,seconds=20", Budget(tokens=8000, seconds=20.0)),
        ("usd=0.5", Budget(usd=0.5)),
        ("tokens=1e4", Budget(tokens=10_000)),
        ("", Budget()),
    ],
)
def test_budgets_are_read_from_text(text: str, expected: Budget) -> None:
    assert Budget.parse(text) == expected


@pytest.mark.parametrize("text", ["token=5", "tokens", "tokens=many", "tokens=1.5", "tokens=nan", "tokens=-1"])
def test_a_wrong_budget_names_the_part_and_the_mend(text: str) -> None:
    with pytest.raises(ConfigError, match=r"budget"):
        Budget.parse(text)
