"""Agent best-of-N: trajectories side by side, and a judge who names or merges."""

from __future__ import annotations

import json

import pytest

from tests.unit.agents import ask
from ttscale.budget import Budget
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.types import Prompt
from ttscale_strategies import SelfConsistency, Single
from ttscale_strategies.dag.agent_best_of_n import AgentBestOfN, merged_answer
from ttscale_strategies.voting.model_switch import ModelSwitch


def judging(verdict: str, *answers: str, seconds: float = 1.0) -> FakeBackend:
    """Return a model that answers in turn, and says the same of whatever it is to judge."""
    left = list(answers)

    def script(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        if "Results of several" in prompt.question:
            return Reply(verdict, seconds=seconds)
        text = left.pop(0)
        return Reply(text if text == "" else f"It is \\boxed{{{text}}}.", seconds=seconds)

    return FakeBackend(script)


def picks(index: int, merged: str = "") -> str:
    return json.dumps({"index": index, "analysis": "so", "merged": merged})


@virtual_clock
async def test_the_judge_names_the_answer_of_a_minority() -> None:
    backend = judging(picks(3), "1", "1", "2", "3")
    outcome, _ = await ask(AgentBestOfN(judge="judge"), backend.script, models={"judge": backend})
    assert (outcome.answer, outcome.confidence) == ("2", 0.25)
    assert [candidate.answer for candidate in outcome.candidates] == ["1", "1", "2", "3"]
    (judged,) = (request for request in backend.requests)
    assert backend.decode(judged.prompt.token_ids or ()).count("Result ") == 4
    assert outcome.usage.verifier > 0


@virtual_clock
async def test_the_judge_may_merge() -> None:
    backend = judging(picks(1, "take both: \\boxed{7}"), "3", "4")
    outcome, _ = await ask(AgentBestOfN(n=2, choose="merge"), backend.script)
    assert (outcome.answer, outcome.confidence) == ("7", 0.0)
    assert outcome.usage.verifier == 0


@virtual_clock
async def test_a_merge_without_an_answer_is_a_choice() -> None:
    outcome, _ = await ask(AgentBestOfN(n=2, choose="merge"), judging(picks(2, "no idea"), "3", "4").script)
    assert outcome.answer == "4"


@pytest.mark.parametrize("verdict", ["", "the second", picks(9), '{"index": "two"}'])
@virtual_clock
async def test_a_judge_that_names_nobody_leaves_it_to_the_majority(verdict: str) -> None:
    outcome, _ = await ask(AgentBestOfN(), judging(verdict, "1", "2", "2", "3").script)
    assert (outcome.answer, outcome.confidence) == ("2", 0.5)


@pytest.mark.parametrize("answers", [("1", "1", "1", "1"), ("1", "", "", "")])
@virtual_clock
async def test_nobody_is_asked_where_there_is_nothing_to_choose(answers: tuple[str, ...]) -> None:
    outcome, backend = await ask(AgentBestOfN(), judging(picks(1), *answers).script)
    assert (outcome.answer, len(backend.records)) == ("1", 4)


@virtual_clock
async def test_trajectories_take_models_and_temperatures_in_turn() -> None:
    own, other = judging(picks(1), "1", "1"), judging(picks(1), "1")
    strategy = AgentBestOfN(n=3, model_uris=(None, "other"), temperatures=(0.2, 0.9), strategy=Single())
    outcome, backend = await ask(strategy, own.script, models={"other": other})
    assert outcome.answer == "1"
    assert sorted(request.sampling.temperature or 0 for request in backend.requests for _ in request.seeds) == [
        0.2,
        0.2,
    ]
    assert [request.sampling.temperature for request in other.requests] == [0.9]
    assert set(strategy.models) == {None, "other"}


@virtual_clock
async def test_trajectories_draw_samples_of_their_own_side_by_side() -> None:
    seeds = list[int]()

    def script(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        seeds.append(seed)
        return Reply("It is \\boxed{1}.", seconds=2.0)

    outcome, _ = await ask(AgentBestOfN(n=3, strategy=SelfConsistency(n=2, stop="never")), script)
    assert len(set(seeds)) == 6
    assert outcome.seconds == pytest.approx(2.0)


@virtual_clock
async def test_a_judge_that_is_not_paid_for_leaves_it_to_the_majority() -> None:
    strategy = AgentBestOfN(choose="merge")
    outcome, _ = await ask(strategy, judging(picks(1), "1", "2", "2", "3").script, budget=Budget(samples=4))
    assert (outcome.answer, outcome.stop_reason) == ("2", "budget")


def test_the_cost_law_counts_a_merge_and_no_choice() -> None:
    strategy = SelfConsistency(n=5)
    assert AgentBestOfN(n=3, strategy=strategy).max_samples() == 15
    assert AgentBestOfN(n=3, strategy=strategy, choose="merge").max_samples() == 16


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="n must be >= 1"):
        AgentBestOfN(n=0)
    with pytest.raises(ValueError, match="must name a model"):
        AgentBestOfN(model_uris=())
    with pytest.raises(ValueError, match="has no field temperature"):
        AgentBestOfN(strategy=AgentBestOfN(), temperatures=(0.5,))
    with pytest.raises(ValueError, match="temperature must be >= 0"):
        AgentBestOfN(strategy=ModelSwitch(), temperatures=(-1.0,))


@pytest.mark.parametrize(
    ("text", "answer"),
    [(picks(1, "\\boxed{7}"), "7"), ('{"merged": 7}', None), ("\\boxed{7}", None), ('{"merged": "7"}', None)],
)
def test_a_merged_answer_is_read_from_the_judges_object_only(text: str, answer: str | None) -> None:
    assert merged_answer(text) == answer
