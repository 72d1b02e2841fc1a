"""Several models on one engine: started once when needed, checked before anything is spent, closed with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from ttscale.backends import load_backend
from ttscale.backends.base import Capabilities
from ttscale.budget import Budget, Price, PriceTable
from ttscale.engine import Engine
from ttscale.errors import BackendError, BackendUnavailable, CapabilityError, ConfigError
from ttscale.run import Run
from ttscale.run.rooms import Rooms
from ttscale.testing import EVERYTHING, FakeBackend, FakeRewardModel, Reply, virtual_clock
from ttscale.testing.fake import TOY
from ttscale.testing.function_strategy import FunctionStrategy
from ttscale.types import Outcome, Problem, Prompt

Body = Callable[[Run], Awaitable[str | None]]
OTHER_NEEDS = frozenset({"logprobs"})


class Watched(FakeBackend):
    """Remembers its starts and ends; the first `failures` starts fail."""

    def __init__(self, *, failures: int = 0, capabilities: Capabilities = EVERYTHING) -> None:
        super().__init__("other", capabilities=capabilities, profile=replace(TOY, name="other"))
        self.events = list[str]()
        self.failures = failures

    async def start(self) -> None:
        self.events.append("start")
        await asyncio.sleep(1)
        if self.failures:
            self.failures -= 1
            raise BackendUnavailable("no memory")
        await super().start()

    async def aclose(self) -> None:
        self.events.append("close")
        await super().aclose()


@dataclass(frozen=True, kw_only=True)
class Asking:
    """Asks another model; says so in `models`."""

    body: Body
    models: Mapping[str | None, frozenset[str]]
    needs: ClassVar[frozenset[str]] = frozenset()

    def max_samples(self) -> int:
        return 1

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        return Outcome(answer=await self.body(run))


async def text_of(run: Run, prompt: str = "Q") -> str:
    async with run.sample(prompt) as samples:
        return (await anext(samples)).text


async def ask_other(run: Run) -> str:
    async with run.child(label="judge", model="other") as other:
        assert other.profile.name == "other"
        return await text_of(other)


@virtual_clock
async def test_a_child_run_samples_from_the_model_it_names_and_its_children_too() -> None:
    async def body(run: Run) -> str:
        async with run.child(label="judge", model="other") as other, other.child(label="inner") as inner:
            return f"{await text_of(run)} {await text_of(other)} {await text_of(inner)}"

    own, other = FakeBackend("own"), Watched()
    async with Engine(own, models={"other": other}) as engine:
        outcome = await engine.solve("Q", strategy=FunctionStrategy(body=body))
    assert outcome.answer == "own other other"
    assert (len(own.records), len(other.records)) == (1, 2)
    assert outcome.usage.calls == 3


@virtual_clock
async def test_a_model_starts_when_it_is_first_asked_for_once_and_ends_with_the_engine() -> None:
    other, idle = Watched(), Watched()
    async with Engine(FakeBackend("own"), models={"other": other, "idle": idle}) as engine:
        assert other.events == []
        async with asyncio.TaskGroup() as group:
            for number in range(5):
                problem = Problem.ask("Q", id=str(number))
                group.create_task(engine.solve(problem, strategy=FunctionStrategy(body=ask_other)))
        assert other.events == ["start"]
    assert other.events == ["start", "close"]
    assert idle.events == []


@virtual_clock
async def test_models_that_a_strategy_names_start_before_its_clock_runs() -> None:
    other = Watched()
    asking = Asking(body=ask_other, models={"other": OTHER_NEEDS})
    async with Engine(FakeBackend("own"), models={"other": other}) as engine:
        outcome = await engine.solve("Q", strategy=asking, budget=Budget(seconds=0.5))
    assert outcome.answer == "other"
    assert outcome.seconds < 0.5


@virtual_clock
async def test_check_starts_nothing_and_prepare_starts_what_is_named() -> None:
    other = Watched()
    asking = Asking(body=ask_other, models={"other": OTHER_NEEDS})
    async with Engine(FakeBackend("own"), models={"other": other}) as engine:
        engine.check(asking)
        assert other.events == []
        await engine.prepare(asking)
        assert other.events == ["start"]


@virtual_clock
async def test_a_model_that_does_not_start_is_a_wrong_configuration_and_may_be_tried_again() -> None:
    own, other = FakeBackend("own"), Watched(failures=1)
    asking = Asking(body=ask_other, models={"other": OTHER_NEEDS})
    async with Engine(own, models={"other": other}) as engine:
        with pytest.raises(ConfigError, match="the model 'other' does not start: no memory"):
            await engine.solve("Q", strategy=asking)
        assert own.records == []
        assert (await engine.solve("Q", strategy=asking)).answer == "other"


@virtual_clock
async def test_a_model_that_no_plugin_named_and_does_not_start_is_a_wrong_configuration_too() -> None:
    async with Engine(FakeBackend("own"), models={"other": Watched(failures=1)}) as engine:
        with pytest.raises(ConfigError, match="the model 'other' does not start"):
            await engine.solve("Q", strategy=FunctionStrategy(body=ask_other))


@virtual_clock
async def test_the_engines_own_model_that_does_not_start_is_unavailable() -> None:
    with pytest.raises(BackendUnavailable, match="no memory"):
        async with Engine(Watched(failures=1)):
            pass


@virtual_clock
async def test_a_name_that_is_no_model_is_found_before_anything_starts() -> None:
    strategy = Asking(body=ask_other, models={"nonsense": frozenset()})
    async with Engine(FakeBackend("own")) as engine:
        with pytest.raises(ConfigError, match="'nonsense' is not a model"):
            engine.check(strategy)
        with pytest.raises(ConfigError, match="'nonsense' is not a model"):
            await engine.solve("Q", strategy=strategy)


@virtual_clock
async def test_capabilities_are_checked_against_the_model_that_needs_them() -> None:
    own, mute = FakeBackend("own"), Watched(capabilities=Capabilities(token_ids=True))
    asking = Asking(body=ask_other, models={"other": OTHER_NEEDS})
    async with Engine(own, models={"other": mute}) as engine:
        with pytest.raises(CapabilityError, match="Asking needs logprobs, which the backend 'fake' of 'other'"):
            await engine.solve("Q", strategy=asking)
    assert own.records == []


@virtual_clock
@pytest.mark.parametrize(("needs", "works"), [("rewards or logprobs", True), ("rewards or seeds", False)])
async def test_either_of_two_capabilities_will_do(needs: str, works: bool) -> None:
    backend = FakeBackend("own", capabilities=Capabilities(token_ids=True, logprobs=True))
    strategy = Asking(body=text_of, models={None: frozenset({needs})})
    async with Engine(backend) as engine:
        if works:
            assert (await engine.solve("Q", strategy=strategy)).answer == "own"
        else:
            with pytest.raises(CapabilityError, match="needs rewards or seeds"):
                await engine.solve("Q", strategy=strategy)


@virtual_clock
async def test_a_reward_model_in_place_of_the_one_that_samples_is_refused() -> None:
    async with Engine(FakeRewardModel(len)) as engine:
        with pytest.raises(CapabilityError, match="is a reward model, which draws no samples"):
            engine.check(FunctionStrategy(body=ask_other))


@virtual_clock
async def test_every_model_has_its_own_price_and_size() -> None:
    prices = PriceTable(
        date="2026-11-01",
        models={"fake": Price(prompt=0.0, generated=1e6), "other": Price(prompt=0.0, generated=2e6)},
    )
    asking = Asking(body=ask_other, models={"other": frozenset()})
    async with Engine(FakeBackend("own"), prices=prices, models={"other": Watched()}) as engine:
        outcome = await engine.solve("Q", strategy=asking, budget=Budget(usd=100))
    assert outcome.usage.usd == pytest.approx(2.0 * len("other"))


@virtual_clock
async def test_a_limit_needs_to_be_known_of_every_model() -> None:
    prices = PriceTable(date="2026-11-01", models={"fake": Price(prompt=1.0, generated=1.0)})
    asking = Asking(body=ask_other, models={"other": frozenset()})
    async with Engine(FakeBackend("own"), prices=prices, models={"other": Watched()}) as engine:
        with pytest.raises(ConfigError, match="no price is known for 'other'"):
            await engine.solve("Q", strategy=asking, budget=Budget(usd=100))


@virtual_clock
async def test_the_trace_names_the_model_of_a_child() -> None:
    async with Engine(FakeBackend("own"), models={"other": Watched()}) as engine:
        outcome = await engine.solve("Q", strategy=FunctionStrategy(body=ask_other))
    (child,) = [span for span in outcome.trace if span["kind"] == "child"]
    assert child["attributes"] == {"model": "other"}


async def test_a_uri_that_means_the_model_that_samples_is_no_second_engine() -> None:
    own = load_backend("hf:some/model", {"batch_size": 3})
    async with Engine(FakeBackend("own")) as engine:
        shared = engine.room
        rooms = Rooms(
            own,
            named={},
            workers=shared.workers,
            keeper=shared.keeper,
            prices=None,
            max_in_flight=None,
        )
        assert rooms.backend("hf:some/model") is not own  # it would have another batch size
        same = load_backend("hf:some/model")
        again = Rooms(
            same, named={}, workers=shared.workers, keeper=shared.keeper, prices=None, max_in_flight=None
        )
        assert again.backend("hf:some/model") is same
        assert again.backend("hf:other/model") is again.backend("hf:other/model")


# ── rewards ───────────────────────────────────────────────────────────────────────────────────────────────


async def reward_of(run: Run, text: str = "abc") -> str:
    async with run.child(label="judge", model="judge") as judge:
        return str((await judge.reward(Prompt(text=text))).values[0])


@virtual_clock
async def test_a_rewards_prompt_is_the_verifiers_tokens() -> None:
    judge = FakeRewardModel(lambda text: len(text) / 10)
    async with Engine(FakeBackend("own"), models={"judge": judge}) as engine:
        outcome = await engine.solve("Q", strategy=FunctionStrategy(body=reward_of), budget=Budget(tokens=3))
    assert outcome.answer == "0.3"
    assert (outcome.usage.verifier, outcome.usage.tokens, outcome.usage.calls) == (3, 3, 1)
    (span,) = [span for span in outcome.trace if span["name"] == "reward"]
    assert span["attributes"] == {
        "prompt_computed": 3,
        "prompt_cached": 0,
        "generated": 0,
        "prompt_shared": 0,
        "values": [0.3],
    }


@virtual_clock
async def test_a_reward_that_does_not_fit_the_budget_is_not_asked_for() -> None:
    judge = FakeRewardModel(lambda text: 0.5)
    async with Engine(FakeBackend("own"), models={"judge": judge}) as engine:
        outcome = await engine.solve("Q", strategy=FunctionStrategy(body=reward_of), budget=Budget(tokens=2))
    assert outcome.stop_reason == "budget"
    assert judge.graded == []
    assert outcome.usage.tokens == 0


@virtual_clock
async def test_a_reward_that_is_cut_off_is_charged_what_it_may_have_used() -> None:
    judge = FakeRewardModel(lambda text: 0.5, seconds=10.0)
    async with Engine(FakeBackend("own"), models={"judge": judge}) as engine:
        outcome = await engine.solve("Q", strategy=FunctionStrategy(body=reward_of), budget=Budget(seconds=1))
        assert engine.ledger.reserved.tokens == 0
    assert (outcome.stop_reason, outcome.usage.verifier) == ("budget", 3)


@virtual_clock
async def test_a_text_that_is_refused_costs_nothing_and_says_why() -> None:
    judge = FakeRewardModel(lambda text: 0.5, profile=replace(TOY, context_length=2))
    async with Engine(FakeBackend("own"), models={"judge": judge}) as engine:
        outcome = await engine.solve("Q", strategy=FunctionStrategy(body=reward_of))
        assert engine.ledger.reserved.tokens == 0
    assert (outcome.stop_reason, outcome.usage.tokens) == ("error", 0)
    assert "does not fit 2" in (outcome.error or "")


@virtual_clock
async def test_a_model_that_samples_gives_no_rewards() -> None:
    async def body(run: Run) -> str:
        with pytest.raises(BackendError, match="'fake' is no reward model"):
            await run.reward("abc")
        return await text_of(run)

    async with Engine(FakeBackend(Reply("own"))) as engine:
        assert (await engine.solve("Q", strategy=FunctionStrategy(body=body))).answer == "own"
