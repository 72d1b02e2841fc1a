"""Strategies over several models: who is asked when, whose answer counts, what it costs, what goes wrong."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ttscale import registry
from ttscale.backends.base import Capabilities
from ttscale.budget import Budget, Price, PriceTable
from ttscale.engine import Engine
from ttscale.errors import BackendError, BackendUnavailable, CapabilityError, ConfigError, ParameterError
from ttscale.registry import Spec
from ttscale.strategies import SelfConsistency
from ttscale.testing import EVERYTHING, FakeBackend, Reply, Script, virtual_clock
from ttscale.testing.fake import TOY
from ttscale.types import JSON, Candidate, Outcome, Prompt
from ttscale_strategies import Cascade, ModelSwitch
from ttscale_strategies.voting.cascade_gate import Gate, is_share_decided
from ttscale_strategies.voting.rules import majority

BOTH = "model_uris=[null, large]"


def says(*answers: str | None, lengths: Sequence[int] = ()) -> list[Reply]:
    """Return replies with these answers (None: none), each of 20 tokens unless lengths are given."""
    texts = ["I wonder." if answer is None else f"\\boxed{{{answer}}}" for answer in answers]
    return [
        Reply(text, num_tokens=length) for text, length in zip(texts, lengths or [20] * len(texts), strict=True)
    ]


def model(name: str, script: Script, capabilities: Capabilities = EVERYTHING) -> FakeBackend:
    """Return a model that takes 0.01 s a token."""
    return FakeBackend(script, capabilities=capabilities, profile=replace(TOY, name=name))


async def ask(
    spec: str,
    small: FakeBackend,
    large: FakeBackend | None = None,
    *,
    budget: Budget | None = None,
    prices: PriceTable | None = None,
) -> Outcome:
    """Solve one question with one model to sample from and another called "large"; nothing is left running."""
    backends = {"large": large or model("large", says("9"))}
    async with Engine(small, models=backends, prices=prices) as engine:
        outcome = await engine.solve("Q", strategy=registry.create_strategy(spec), budget=budget)
        for backend in (small, backends["large"]):
            assert backend.num_running == 0
        assert engine.ledger.reserved.tokens == 0
    return outcome


def indices(outcome: Outcome) -> list[int]:
    return [candidate.index for candidate in outcome.candidates]


# ── ModelSwitch ───────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_model_that_agrees_with_itself_is_the_only_one_asked() -> None:
    large = model("large", says("9"))
    outcome = await ask(f"model_switch:{BOTH},n=3", model("small", says("7")), large)
    assert (outcome.answer, outcome.confidence, outcome.stop_reason) == ("7", 1.0, "decided")
    assert (outcome.usage.calls, large.records) == (3, [])


@virtual_clock
async def test_models_that_disagree_with_themselves_vote_with_the_weights_of_the_worked_example() -> None:
    small, large = model("small", says("1", "1", "2", "3")), model("large", says("2", "2", "2", "1"))
    outcome = await ask(f"model_switch:{BOTH},n=4", small, large)
    assert outcome.answer == "2"
    assert outcome.confidence == pytest.approx(1.464828 / (0.971950 + 1.464828 + 0.290204), abs=1e-6)
    assert outcome.stop_reason == "finished"
    assert indices(outcome) == list(range(8))
    assert outcome.critical_path_tokens == 40  # one model after the other


@virtual_clock
async def test_an_external_weight_turns_the_vote() -> None:
    small, large = says("1", "1", "2", "3"), says("2", "2", "2", "1")
    spec = f"model_switch:{BOTH},n=4,external_weights=[3, 1]"
    assert (await ask(spec, model("small", small), model("large", large))).answer == "1"


@virtual_clock
async def test_a_later_model_that_agrees_with_itself_overrules_all_before() -> None:
    small, large = model("small", says("1", "1", "1", "2")), model("large", says("2"))
    outcome = await ask(f"model_switch:{BOTH},n=4", small, large)
    assert (outcome.answer, outcome.confidence, outcome.stop_reason) == ("2", 1.0, "finished")


@virtual_clock
async def test_a_sample_without_an_answer_is_no_agreement() -> None:
    small, large = model("small", says("1", "1", None)), model("large", says("2"))
    outcome = await ask(f"model_switch:{BOTH},n=3", small, large)
    assert (outcome.answer, len(large.records)) == ("2", 3)


@virtual_clock
async def test_the_order_of_the_list_is_the_order_of_asking() -> None:
    small, large = model("small", says("1")), model("large", says("2"))
    assert (await ask("model_switch:model_uris=[large, null],n=2", small, large)).answer == "2"
    assert small.records == []


@virtual_clock
@pytest.mark.parametrize(
    "spec", ["model_switch:{},n=4", "cascade:{},stages=[self_consistency:n=4],threshold=1"]
)
async def test_a_model_whose_samples_all_fail_hands_over(spec: str) -> None:
    broken = model("small", Reply("half a", error="out of memory"))
    outcome = await ask(spec.format(BOTH), broken, model("large", says("2")))
    assert (outcome.answer, outcome.error) == ("2", None)
    assert outcome.usage.cancelled > 0


@virtual_clock
@pytest.mark.parametrize("spec", ["model_switch:{},n=2", "cascade:{},stages=[self_consistency:n=2]"])
async def test_if_all_models_fail_the_outcome_says_why(spec: str) -> None:
    small = model("small", Reply("", error="out of memory"))
    outcome = await ask(spec.format(BOTH), small, model("large", Reply("", error="also broken")))
    assert (outcome.answer, outcome.stop_reason) == (None, "error")
    assert outcome.error == "out of memory"


class Refusing(FakeBackend):
    """A model whose chat template takes no conversation."""

    def encode(self, prompt: Prompt) -> Prompt:
        raise BackendError("the chat template refuses the messages")


@virtual_clock
@pytest.mark.parametrize("spec", ["model_switch:{},n=2", "cascade:{},stages=[single, best_of_n:n=2]"])
async def test_a_model_that_refuses_the_prompt_is_passed_over_and_named_if_there_is_no_other(spec: str) -> None:
    small, large = model("small", says("1", "2")), Refusing("never")
    outcome = await ask(spec.format(BOTH), small, large)
    assert (outcome.answer, outcome.stop_reason) == ("1", "finished")
    alone = await ask(spec.format("model_uris=[large]"), small, large)
    assert (alone.answer, alone.stop_reason) == (None, "error")
    assert alone.error == "the chat template refuses the messages"


@virtual_clock
@pytest.mark.parametrize("name", ["model_switch", "cascade"])
async def test_a_model_that_does_not_exist_or_start_is_found_before_anything_is_spent(name: str) -> None:
    class Absent(FakeBackend):
        async def start(self) -> None:
            raise BackendUnavailable("no such file")

    small = model("small", says("1", "2"))
    with pytest.raises(ConfigError, match="'nonsense' is not a model"):
        await ask(f"{name}:model_uris=[null, nonsense]", small)
    with pytest.raises(ConfigError, match="the model 'large' does not start: no such file"):
        await ask(f"{name}:{BOTH}", small, Absent("never"))
    assert small.records == []


@virtual_clock
@pytest.mark.parametrize("spec", ["model_switch:{},n=1,external_weights=[0, 1]", "cascade:{},stages=[single]"])
async def test_each_models_tokens_have_its_own_price(spec: str) -> None:
    prices = PriceTable(
        date="2026-11-01",
        models={"small": Price(prompt=0.0, generated=1e6), "large": Price(prompt=0.0, generated=100e6)},
    )
    small, large = model("small", says(None, lengths=[10])), model("large", says("2", lengths=[30]))
    outcome = await ask(spec.format(BOTH), small, large, prices=prices, budget=Budget(usd=1e5))
    assert outcome.answer == "2"
    assert outcome.usage.usd == pytest.approx(10 * 1.0 + 30 * 100.0)
    assert outcome.usage.generated == 40


@virtual_clock
@pytest.mark.parametrize(
    "spec", ["model_switch:{},n=4", "cascade:{},stages=[self_consistency:n=4],threshold=1"]
)
async def test_all_models_spend_from_one_budget(spec: str) -> None:
    for num_samples in range(1, 9):
        small, large = model("small", says("1", "2", "1", "1")), model("large", says("2", "2", "2", "1"))
        outcome = await ask(spec.format(BOTH), small, large, budget=Budget(samples=num_samples))
        assert len(small.records) + len(large.records) <= num_samples
        assert outcome.answer is not None
    for num_tokens in range(1, 200, 7):
        small, large = model("small", says("1", "2", "1", "1")), model("large", says("2", "2", "2", "1"))
        outcome = await ask(spec.format(BOTH), small, large, budget=Budget(tokens=num_tokens))
        assert outcome.usage.tokens <= num_tokens
        assert outcome.usage.tokens == sum(
            record.usage.prompt_computed + record.usage.generated for record in small.records + large.records
        )
        assert outcome.stop_reason in ("budget", "finished")


@virtual_clock
async def test_the_first_models_votes_count_if_the_budget_ends_with_them() -> None:
    small, large = model("small", says("1", "1", "2", "3")), model("large", says("9"))
    outcome = await ask(f"model_switch:{BOTH},n=4", small, large, budget=Budget(samples=4))
    assert (outcome.answer, outcome.stop_reason, large.records) == ("1", "budget", [])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("model_switch:model_uris=[]", "model_uris must name a model"),
        ("model_switch:n=0", "n must be >= 1"),
        ("model_switch:external_weights=[1, 2]", "external_weights need one value a model, got 2 for 1"),
        ("model_switch:external_weights=[-1]", "external_weights"),
        ("cascade:model_uris=[]", "model_uris must name a model"),
        ("cascade:stages=[]", "stages must name a strategy"),
        ("cascade:stages=single", "stages='single' is wrong: give a list of strategies, in brackets"),
        ("cascade:stages=[single, n]", "No strategy is called 'n'"),
        ("cascade:stages=[{n: 3}]", r"stages\[0\]=.* is wrong: give a strategy's name"),
        ("cascade:stages=[single, single],model_uris=[a, b, c]", "got 2 stages and 3 models"),
        ("cascade:threshold=1.5", r"threshold must lie in \[0, 1\]"),
        ("cascade:gate=beta,threshold=-1", r"threshold must lie in \[0, 1\]"),
    ],
)
def test_what_makes_no_sense_is_refused(spec: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as refused:
        registry.create_strategy(spec)
    assert isinstance(refused.value, ParameterError) or "No strategy" in message


# ── Cascade: votes ────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_a_vote_that_passes_ends_when_that_is_certain_and_the_next_model_is_not_asked() -> None:
    small, large = model("small", says(*"77717", lengths=[10, 10, 10, 50, 20])), model("large", says("9"))
    outcome = await ask(f"cascade:{BOTH}", small, large)
    assert (outcome.answer, outcome.stop_reason) == ("7", "decided")
    assert outcome.confidence == pytest.approx(0.8)  # four of five; the one that still ran counts against it
    assert outcome.seconds == pytest.approx(0.2)
    assert (indices(outcome), large.records) == ([0, 1, 2, 4], [])


@virtual_clock
async def test_a_vote_that_can_no_longer_pass_hands_over_at_once() -> None:
    small = model("small", says(*"12377", lengths=[10, 10, 10, 500, 500]))
    outcome = await ask(f"cascade:{BOTH}", small, model("large", says("9", lengths=[10])))
    assert (outcome.answer, outcome.stop_reason) == ("9", "finished")
    assert outcome.seconds == pytest.approx(0.2)
    assert outcome.usage.cancelled == 20
    assert indices(outcome) == [0, 1, 2, *range(5, 10)]


@virtual_clock
async def test_samples_without_an_answer_count_against_a_vote() -> None:
    small = model("small", says("7", "7", "7", None, None))
    assert (await ask(f"cascade:{BOTH}", small)).answer == "9"
    small = model("small", says("7", "7", "7", "7", None))
    assert (await ask(f"cascade:{BOTH}", small)).answer == "7"


@virtual_clock
async def test_the_last_vote_ends_when_its_winner_is_known_sure_or_not() -> None:
    large = model("large", says(*"88819", lengths=[10, 10, 10, 90, 90]))
    outcome = await ask(f"cascade:{BOTH}", model("small", says("1", "2", "3")), large)
    assert outcome.answer == "8"
    assert outcome.confidence == pytest.approx(0.6)
    assert outcome.stop_reason == "finished"
    assert [record.usage.generated for record in large.records] == [10] * 5


@virtual_clock
async def test_if_no_stage_passes_the_last_answers_or_all_vote() -> None:
    def small() -> FakeBackend:
        return model("small", says(*"77123"))

    def large() -> FakeBackend:
        return model("large", says(*"99174"))

    last = await ask(f"cascade:{BOTH}", small(), large())
    assert last.answer == "9"
    assert last.confidence == pytest.approx(0.4)
    voted = await ask(f"cascade:{BOTH},otherwise=vote", small(), large())
    assert voted.answer == "7"
    assert voted.confidence == pytest.approx(0.3)
    assert (voted.text, indices(voted)) == ("\\boxed{7}", list(range(10)))


@virtual_clock
@pytest.mark.parametrize("lengths", [[10] * 9, [90, 10, 10, 10, 20, 20, 20, 20, 20]])
async def test_the_criterion_of_adaptive_consistency_looks_at_the_first_samples_whoever_ends_first(
    lengths: list[int],
) -> None:
    small = model("small", says(*"777722222", lengths=lengths))
    outcome = await ask(f"cascade:{BOTH},stages=[self_consistency:n=9],gate=beta", small)
    assert (outcome.answer, outcome.stop_reason) == ("7", "decided")  # four that agree are enough


@virtual_clock
async def test_a_stage_of_adaptive_consistency_passes_where_it_stopped() -> None:
    small = model("small", says(*"777722222", lengths=[90, *[10] * 8]))
    stage = '"adaptive_consistency:n=9,window=9"'
    outcome = await ask(f"cascade:{BOTH},stages=[{stage}],gate=beta", small)
    assert (outcome.answer, outcome.stop_reason) == ("7", "decided")


@virtual_clock
async def test_a_criterion_that_no_beginning_meets_hands_over() -> None:
    small = model("small", says(*"771237142"))
    outcome = await ask(f"cascade:{BOTH},stages=[self_consistency:n=9],gate=beta", small)
    assert outcome.answer == "9"
    assert outcome.usage.cancelled == 0


@virtual_clock
async def test_a_vote_that_is_told_to_draw_all_does() -> None:
    small = model("small", says(*"77777", lengths=[10, 10, 10, 10, 90]))
    outcome = await ask(f'cascade:{BOTH},stages=["self_consistency:n=5,stop=never"]', small)
    assert (outcome.answer, outcome.confidence, outcome.usage.cancelled) == ("7", 1.0, 0)


# ── Cascade: any strategy ─────────────────────────────────────────────────────────────────────────────────


@virtual_clock
@pytest.mark.parametrize(("logprob", "answer"), [(-0.1, "7"), (-1.0, "9")])
async def test_any_strategys_confidence_is_held_against_the_threshold(logprob: float, answer: str) -> None:
    small = model("small", Reply("\\boxed{7}", logprobs=logprob))
    outcome = await ask(f"cascade:{BOTH},stages=[best_of_n:n=2, single]", small)
    assert outcome.answer == answer


@virtual_clock
async def test_one_model_may_try_harder_and_harder() -> None:
    small = model("small", says("1", *"23", *"77757"))
    outcome = await ask('cascade:stages=[single, self_consistency:n=2, "self_consistency:n=5"]', small)
    assert (outcome.answer, outcome.usage.calls) == ("7", 8)
    assert indices(outcome) == [0, 1, 2, 3, 4, 5, 6, 7]
    children = [span for span in outcome.trace if span["kind"] == "child"]
    assert len(children) == 3


@virtual_clock
async def test_cascades_nest() -> None:
    small, large = model("small", says(*"12")), model("large", says("9"))
    inner: JSON = {"name": "cascade", "params": {"stages": ["self_consistency:n=2"]}}
    outer = Spec("cascade", {"stages": [inner, "model_switch:n=2"], "model_uris": [None, "large"]})
    outcome = await ask(str(outer), small, large)
    assert (outcome.answer, outcome.confidence, outcome.usage.calls) == ("9", 1.0, 4)


@virtual_clock
async def test_each_model_must_be_able_to_do_what_its_strategy_needs() -> None:
    small, mute = model("small", says("1", "2")), model("large", says("9"), Capabilities(token_ids=True))
    with pytest.raises(CapabilityError, match="Cascade needs logprobs, which the backend 'fake' of 'large'"):
        await ask(f"cascade:{BOTH},stages=[single, best_of_n]", small, mute)
    assert small.records == []


@virtual_clock
async def test_what_a_stage_knew_when_the_budget_ended_counts() -> None:
    small, large = model("small", says(*"12")), model("large", says(*"99"))
    spec = f"cascade:{BOTH},stages=[self_consistency:n=2, best_of_n:n=2]"
    first = await ask(spec, small, large, budget=Budget(samples=2))
    assert (first.answer, first.stop_reason, large.records) == ("1", "budget", [])
    second = await ask(spec, small, large, budget=Budget(samples=3))
    assert (second.answer, second.stop_reason) == ("9", "budget")


@virtual_clock
async def test_a_deadline_returns_the_last_stage_that_has_an_answer() -> None:
    small = says(*"12", lengths=[10, 10])
    for limit, answer in ((0.05, None), (0.3, "1"), (0.8, "9")):
        large = model("large", says(*"998", lengths=[50, 60, 500]))
        spec = f"cascade:{BOTH},stages=[self_consistency:n=2, best_of_n:n=3]"
        outcome = await ask(spec, model("small", small), large, budget=Budget(seconds=limit))
        assert (outcome.answer, outcome.stop_reason) == (answer, "budget")


@virtual_clock
async def test_a_budget_too_small_for_one_sample_says_so() -> None:
    for spec in (f"cascade:{BOTH}", f"cascade:{BOTH},stages=[best_of_n]", f"model_switch:{BOTH}"):
        outcome = await ask(spec, model("small", says("1")), budget=Budget(tokens=1))
        assert (outcome.answer, outcome.stop_reason, outcome.usage.calls) == (None, "budget", 0)
        assert "raise tokens in the budget" in (outcome.error or "")


def test_a_cascade_is_built_from_python_as_from_text() -> None:
    text = "cascade:model_uris=[null, hf:large],stages=[self_consistency:n=8, self_consistency:n=3]"
    stages = (SelfConsistency(n=8), SelfConsistency(n=3))
    assert registry.create_strategy(text) == Cascade(model_uris=(None, "hf:large"), stages=stages)
    assert Cascade(stages=stages).max_samples() == 11
    assert ModelSwitch(n=3, model_uris=(None, "hf:large")).max_samples() == 6


# ── the gate ──────────────────────────────────────────────────────────────────────────────────────────────


def shares(votes: Sequence[str | None], least: float) -> str | None:
    """Return who wins with at least this share of all samples."""
    winner = majority(votes)
    return winner.key if winner and winner.votes / len(votes) >= least else None


@pytest.mark.parametrize("least", [0.0, 0.25, 0.5, 0.6, 0.75, 1.0])
def test_a_share_is_decided_exactly_when_every_end_of_the_vote_says_the_same(least: float) -> None:
    num_samples, options = 4, ("a", "b", "c", "d", None)
    for votes in itertools.product(("a", "b", None, "still running"), repeat=num_samples):
        known = {index: vote for index, vote in enumerate(votes) if vote != "still running"}
        if not known:
            continue
        running = set(range(num_samples)) - known.keys()
        ends = set()
        for rest in itertools.product(options, repeat=len(running)):
            whole = known | dict(zip(sorted(running), rest, strict=True))
            ends.add(shares([whole[index] for index in range(num_samples)], least))
        assert is_share_decided(known, running, least) == (len(ends) == 1), (known, ends)
        hopeless = ends == {None} and bool(running)
        assert is_share_decided(known, running, least, gives_up=False) == (len(ends) == 1 and not hopeless)


def of(*keys: str | None, key: str | None = "a", confidence: float | None = None) -> Outcome:
    candidates = [Candidate(index=index, answer=key, key=key) for index, key in enumerate(keys)]
    return Outcome(answer=key, key=key, confidence=confidence, candidates=tuple(candidates))


def test_a_gate_opens_for_who_is_sure_enough() -> None:
    assert Gate("confidence").is_passed(of(confidence=0.8))
    assert not Gate("confidence").is_passed(of(*"aaaaa", confidence=0.79))
    assert not Gate("confidence", 0.0).is_passed(of(*"aaaaa"))
    assert not Gate("confidence", 0.0).is_passed(of(key=None, confidence=1.0))
    assert Gate("beta").is_passed(of(*"aaaa"))
    assert Gate("beta").is_passed(of(*"aaaabbbb"))  # its first four would have been enough
    assert not Gate("beta").is_passed(of(*"aaa", confidence=1.0))
    assert not Gate("beta").is_passed(of(*"bbbb"))  # the others are sure, of another answer


def test_a_stage_that_was_cut_short_or_failed_does_not_pass() -> None:
    for reason in ("budget", "error"):
        assert not Gate("confidence").is_passed(of(confidence=1.0).with_(stop_reason=reason))
        assert not Gate("beta").is_passed(of(*"aaaa").with_(stop_reason=reason))


@virtual_clock
async def test_a_stage_needs_nothing_of_models_it_does_not_run_on() -> None:
    blind = replace(EVERYTHING, logprobs=False, max_top_logprobs=0)
    spec = f"cascade:{BOTH},stages=[self_consistency:n=2, inverse_entropy_vote:n=2],threshold=1"
    outcome = await ask(spec, model("small", says("1", "2"), blind), model("large", says("5")))
    assert outcome.answer == "5"
    with pytest.raises(CapabilityError, match="max_top_logprobs"):
        await ask(spec, model("small", says("1", "2")), model("large", says("5"), blind))
