"""The ledger's invariant, committed + reserved <= limit, under every order of events Hypothesis finds."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from ttscale.budget import Amount, Budget, Reservation, Scope
from ttscale.budget.ledger import QUANTITIES
from ttscale.errors import BudgetExhausted
from ttscale.types import Usage

_LIMITS = st.one_of(st.none(), st.integers(0, 300))


def _price(units: int) -> Amount:
    return Amount(samples=1, tokens=5 + units, flops=0.1 * units, usd=1e-3 * units)


def _assert_within_limits(scope: Scope) -> None:
    for link in scope.chain():
        for name in QUANTITIES:
            limit = getattr(link.budget, name)
            used = getattr(link.committed, name) + getattr(link.reserved, name)
            assert limit is None or used <= limit + 1e-6, (link.label, name, used, limit)
            assert getattr(link.reserved, name) >= -1e-9


class LedgerMachine(RuleBasedStateMachine):
    """Reserve, commit, release and nest in any order."""

    scopes = Bundle("scopes")
    reservations = Bundle("reservations")

    def __init__(self) -> None:
        super().__init__()
        self.all_scopes: list[Scope] = []
        self.spent = 0

    @rule(target=scopes, tokens=_LIMITS, samples=_LIMITS)
    def open_root(self, tokens: int | None, samples: int | None) -> Scope:
        scope = Scope(Budget(tokens=tokens, samples=samples, flops=20.0))
        self.all_scopes.append(scope)
        return scope

    @rule(target=scopes, parent=scopes, tokens=_LIMITS)
    def open_child(self, parent: Scope, tokens: int | None) -> Scope:
        scope = parent.child(Budget(tokens=tokens), label="child")
        self.all_scopes.append(scope)
        return scope

    @rule(target=reservations, scope=scopes, most=st.integers(1, 100), least=st.integers(1, 100))
    def reserve(self, scope: Scope, most: int, least: int) -> Reservation | None:
        try:
            granted = scope.try_reserve(_price, most, min(least, most))
        except BudgetExhausted:
            return None
        if granted is not None:
            assert min(least, most) <= granted.units <= most
        return granted

    @rule(reservation=consumes(reservations), share=st.floats(0, 1))
    def commit(self, reservation: Reservation | None, share: float) -> None:
        if reservation is not None:
            used = int(share * reservation.units)
            reservation.commit(Usage(prompt_computed=5, generated=used, flops=0.1 * used, usd=1e-3 * used))

    @rule(reservation=consumes(reservations))
    def release(self, reservation: Reservation | None) -> None:
        if reservation is not None:
            reservation.release()
            with pytest.raises(RuntimeError, match="settled already"):
                reservation.release()

    @invariant()
    def every_scope_is_within_its_limits(self) -> None:
        for scope in self.all_scopes:
            _assert_within_limits(scope)


LedgerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_the_ledger_never_exceeds_a_limit = LedgerMachine.TestCase


@given(seed=st.integers(0, 10_000), limit=st.integers(0, 400), num_tasks=st.integers(1, 12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_concurrent_spenders_that_fail_and_are_cancelled_stay_within_the_limit(
    seed: int, limit: int, num_tasks: int
) -> None:
    rng = random.Random(seed)
    root = Scope(Budget(tokens=limit), label="run")

    async def spend(scope: Scope) -> None:
        try:
            reservation = await scope.reserve(_price, rng.randint(1, 80), 1)
        except BudgetExhausted:
            return
        _assert_within_limits(scope)
        used = 0
        try:
            for _ in range(rng.randint(0, 4)):
                await asyncio.sleep(0)
                used = min(reservation.units, used + 7)
            if rng.random() < 0.3:
                raise RuntimeError("the engine failed")
        except RuntimeError:
            pass
        finally:  # cancelled and failed work is charged what it used
            reservation.commit(Usage(prompt_computed=5, cancelled=used))
            _assert_within_limits(scope)

    async def main() -> None:
        async with asyncio.TaskGroup() as group:
            scopes = [root.child(Budget(tokens=rng.randint(0, 200)), label=str(i)) for i in range(3)]
            tasks = [group.create_task(spend(rng.choice(scopes))) for _ in range(num_tasks)]
            await asyncio.sleep(0)
            for task in tasks:
                if rng.random() < 0.3:
                    task.cancel()
        assert root.reserved == Amount()
        for scope in scopes:
            assert scope.reserved == Amount()
        assert root.committed.tokens == sum(scope.committed.tokens for scope in scopes) <= limit

    asyncio.run(main())
