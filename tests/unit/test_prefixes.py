"""What is shared of prompts: hand-computed trees, what is unknown, and runs on a scripted engine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from ttscale.backends.base import Backend
from ttscale.engine import Engine
from ttscale.run import Run
from ttscale.testing import FakeBackend, Reply, virtual_clock
from ttscale.testing.fake import EVERYTHING, TOY
from ttscale.testing.function_strategy import FunctionStrategy
from ttscale.trace import Span
from ttscale.trace.prefixes import PrefixIndex, Visit
from ttscale.trace.work import work_of
from ttscale.types import JSON, Outcome, Prompt, Sample, Sharing

IN_BLOCKS = replace(TOY, prefix_block=16)
Body = Callable[[Run], Awaitable[str | None]]


async def run_on(backend: Backend, body: Body, **models: Backend) -> Outcome:
    async with Engine(backend, models=models) as engine:
        return await engine.solve("Q", strategy=FunctionStrategy(body=body))


def sharing_of(outcome: Outcome) -> Sharing:
    assert outcome.work is not None
    assert outcome.work.sharing is not None
    return outcome.work.sharing


def shared_of(outcome: Outcome, kind: str = "sample") -> list[JSON]:
    """Return what spans of a kind say of shared prompts, in order; those without a word of it are left out."""
    found = list[JSON]()
    for span in outcome.trace:
        attributes = span["attributes"]
        assert isinstance(attributes, dict)
        if span["kind"] == kind and "prompt_shared" in attributes:
            found.append(attributes["prompt_shared"])
    return found


async def draw(run: Run, prompt: Prompt | str, n: int = 1) -> list[Sample]:
    async with run.sample(prompt, n=n) as samples:
        return [sample async for sample in samples]


def taken(index: PrefixIndex, prompt: tuple[int, ...], generated: tuple[int, ...] = ()) -> Visit:
    """Have an index take in a prompt and what was generated after it."""
    visit = index.begin(prompt)
    assert visit is not None
    index.end(visit, generated, num_generated=len(generated))
    return visit


# ── the tree ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_last_generated_token_has_not_been_read_and_is_not_shared() -> None:
    index = PrefixIndex(block=4)
    first = taken(index, tuple(range(10)), (10, 11, 12))
    onward = taken(index, (*range(13), 20, 21))
    index.count()
    assert (first.shared, first.shared_in_blocks) == (0, 0)
    assert (onward.shared, onward.shared_in_blocks) == (12, 12)


def test_an_equal_prompt_is_shared_whole_and_in_blocks_all_but_its_last_token() -> None:
    index = PrefixIndex(block=4)
    taken(index, tuple(range(8)))
    again = taken(index, tuple(range(8)))
    index.count()
    assert (again.shared, again.shared_in_blocks) == (8, 4)


def test_a_prompt_that_the_engine_did_not_account_for_was_not_computed() -> None:
    index = PrefixIndex()
    failed = index.begin((1, 2, 3))
    assert failed is not None
    second, third = taken(index, (1, 2, 3)), taken(index, (1, 2, 4))
    index.end(failed, (), num_generated=0, is_accounted=False)
    index.count()
    assert (failed.shared, second.shared, third.shared) == (None, 0, 2)


def test_where_ids_are_not_known_nothing_is_said() -> None:
    index = PrefixIndex(block=4)
    assert index.begin(None) is None
    assert index.begin((1, 2**40)) is None  # no vocabulary has it
    silent = index.begin((1, 2))
    assert silent is not None
    index.end(silent, (), num_generated=5)
    index.count()
    assert (silent.shared, silent.shared_in_blocks) == (None, None)


def test_without_a_size_of_blocks_only_tokens_are_known() -> None:
    index = PrefixIndex()
    taken(index, (1, 2, 3))
    again = taken(index, (1, 2, 3))
    index.count()
    assert (again.shared, again.shared_in_blocks) == (3, None)


def test_thousands_of_long_texts_that_part_late_take_one_edge_each() -> None:
    index = PrefixIndex(block=16)
    visits = [taken(index, (*range(3000), k), (k + 1, k + 2)) for k in range(2000)]
    index.count()
    assert [visit.shared for visit in visits] == [0] + [3000] * 1999
    depths = set[int]()
    for visit in visits:
        depth, node = 0, visit.node
        while node.parent is not None:
            depth, node = depth + 1, node.parent
        depths.add(depth)
    assert depths == {2}


# ── runs ──────────────────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_samples_of_one_prompt_share_it_though_they_begin_together() -> None:
    outcome = await run_on(
        FakeBackend([Reply("x" * 9)], seconds_per_token=0.1, profile=IN_BLOCKS),
        lambda run: told(draw(run, Prompt(token_ids=tuple(b"a" * 40)), n=4)),
    )
    assert shared_of(outcome) == [0, 40, 40, 40]
    # In blocks of 16 each of the others finds 32 of 39 tokens; the scripted engine charges the prompt once.
    assert sharing_of(outcome) == Sharing(
        computed=40,
        shared=120,
        unshared=40,
        unshared_in_blocks=40 + 3 * 8,
        kv_token_steps=9 * 40 + 4 * 45,
        peak_kv_tokens=40 + 4 * 9,
    )
    assert outcome.work is not None
    assert (outcome.work.kv_token_steps, outcome.work.peak_kv_tokens) == (4 * (9 * 40 + 45), 4 * 49)
    assert sharing_of(outcome).computed_over_ideal == 1.0
    assert sharing_of(outcome).computed_over_blocks == 40 / 64


async def told(work: Awaitable[object]) -> str:
    """Wait for something; answer nothing in particular."""
    await work
    return "done"


@virtual_clock
async def test_a_chain_of_continuations_is_held_against_computing_each_token_once() -> None:
    async def body(run: Run) -> str:
        (first,) = await draw(run, Prompt(token_ids=tuple(b"a" * 40)))
        async with run.extend(first, n=2) as samples:
            children = [sample async for sample in samples]
        async with run.extend(children[0], then="ok") as samples:
            return "".join([sample.text async for sample in samples])

    replies = [Reply("x" * 20), Reply("y" * 20), Reply("z" * 20), Reply("w" * 5)]
    outcome = await run_on(FakeBackend(replies, seconds_per_token=0.1, profile=IN_BLOCKS), body)
    # Prompts of 40, 60, 60 and 82 tokens. The last token of an answer has not been read by anything.
    assert shared_of(outcome) == [0, 59, 60, 79]
    assert sharing_of(outcome) == Sharing(
        computed=40 + 60 + 0 + 82,  # the scripted engine computes a prompt once a request, and keeps nothing
        shared=59 + 60 + 79,
        unshared=40 + 1 + 0 + 3,
        unshared_in_blocks=40 + (60 - 48) + (60 - 48) + (82 - 64),
        kv_token_steps=(20 * 40 + 210) + (20 * 60 + 2 * 210) + (5 * 82 + 15),
        peak_kv_tokens=60 + 2 * 20,
    )
    assert sharing_of(outcome).computed_over_ideal == 182 / 44
    assert sharing_of(outcome).computed_over_blocks == 182 / 82


@virtual_clock
async def test_what_was_called_off_before_the_engine_got_to_it_has_computed_nothing() -> None:
    async def body(run: Run) -> str:
        long = Prompt(token_ids=tuple(b"b" * 30))
        async with run.sample("Q", n=1) as samples:
            async with run.sample(long, n=1):
                pass  # its only slot is taken: it waits in the engine until it is aborted
            _ = [sample async for sample in samples]
        return str(len(await draw(run, long)))

    outcome = await run_on(FakeBackend([Reply("x" * 9)], batch_size=1, seconds_per_token=0.1), body)
    assert shared_of(outcome) == [0, 0]


@virtual_clock
async def test_each_model_has_its_own_prefixes_and_given_texts_have_theirs() -> None:
    async def body(run: Run) -> str:
        (own,) = await draw(run, "Question")
        async with run.child(model="judge", label="judge", bucket="verifier") as judge:
            await draw(judge, "Question")
            await judge.score_prompt("Question")
        return own.text

    outcome = await run_on(FakeBackend("four"), body, judge=FakeBackend("1", profile=IN_BLOCKS))
    assert outcome.work is not None
    own, judge = (outcome.work.sharing_by_model[name] for name in ("", "judge"))
    prompt = own.unshared
    assert (own.shared, judge.shared, judge.unshared) == (0, prompt, prompt)
    assert shared_of(outcome, "score") == [prompt]
    assert own.unshared_in_blocks is None
    assert judge.unshared_in_blocks == 2 * prompt - (prompt - 1) // 16 * 16
    both = sharing_of(outcome)
    assert (both.computed, both.shared, both.unshared) == (3 * prompt, prompt, 2 * prompt)
    assert both.unshared_in_blocks is None
    assert both.kv_token_steps == own.kv_token_steps + judge.kv_token_steps


@virtual_clock
async def test_two_names_of_one_model_share_its_prefixes() -> None:
    async def body(run: Run) -> str:
        await draw(run, "Question")
        async with run.child(model="self", label="self") as child:
            return (await draw(child, "Question"))[0].text

    backend = FakeBackend("four")
    outcome = await run_on(backend, body, self=backend)
    assert outcome.work is not None
    assert outcome.work.sharing_by_model["self"].unshared == 0
    assert outcome.work.sharing_by_model["self"].computed_over_ideal is None


@virtual_clock
async def test_without_token_ids_nothing_is_known_of_sharing() -> None:
    async def body(run: Run) -> str:
        await draw(run, "Question", n=2)
        async with run.child(model="judge", label="judge") as judge:
            return (await draw(judge, "Question"))[0].text

    blind = FakeBackend("four", capabilities=replace(EVERYTHING, token_ids=False))
    outcome = await run_on(blind, body, judge=FakeBackend("1"))
    assert outcome.work is not None
    assert outcome.work.sharing is None
    assert set(outcome.work.sharing_by_model) == {"judge"}
    assert shared_of(outcome) == [0]


@virtual_clock
async def test_problems_on_one_engine_do_not_count_each_others_prefixes() -> None:
    async with Engine(FakeBackend("four")) as engine:
        strategy = FunctionStrategy(body=lambda run: told(draw(run, "Question")))
        outcomes = [await engine.solve("Q", strategy=strategy) for _ in range(2)]
    assert [shared_of(outcome) for outcome in outcomes] == [[0], [0]]


# ── what is kept of it ────────────────────────────────────────────────────────────────────────────────────


@virtual_clock
async def test_an_outcome_keeps_its_sharing_and_one_of_an_older_version_has_none() -> None:
    outcome = await run_on(FakeBackend("x"), lambda run: told(draw(run, "Question", n=2)))
    assert sharing_of(outcome).shared > 0
    assert Outcome.from_json(outcome.to_json()) == outcome
    document = outcome.to_json()
    work = document["work"]
    assert isinstance(work, dict)
    new = ("sharing", "sharing_by_model", "nodes")
    old = {**document, "work": {name: value for name, value in work.items() if name not in new}}
    read = Outcome.from_json(old).work
    assert read is not None
    assert (read.sharing, read.sharing_by_model, read.nodes) == (None, {}, None)


def test_nodes_are_counted_by_their_state_and_draws_that_came_to_nothing_are_none() -> None:
    states: list[dict[str, JSON]] = [{"state": "expanded"}, {"state": "pruned"}, {"state": "expanded"}, {}]
    spans = [
        Span(id=number, parent=None, kind="node", name="node", start=0.0, end=1.0, attributes=attributes)
        for number, attributes in enumerate(states)
    ]
    assert work_of(spans, lambda _: None).nodes == {"expanded": 2, "pruned": 1}
