"""`check_backend`: holds a backend to its contract (`ttscale.backends.base`), clause by clause."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from ttscale.backends.base import Backend, Generation, Request
from ttscale.errors import BackendError
from ttscale.testing.clauses import Clause, expect, hold_to
from ttscale.testing.observe import Bench, Observed, follow
from ttscale.testing.reward_checks import CLOSING_REWARDS, REWARD_CLAUSES, Grading
from ttscale.types import Prompt, Sampling

T = TypeVar("T")

_MOST_LOGPROB: Final = 1e-4
"""Above 0 by no more than rounding."""
_LONG: Final = 4
"""A long reply may have so many times the tokens of an ordinary one."""


async def check_backend(
    backend: Backend | Callable[[], Backend],
    *,
    prompt: Prompt | str = "Count from one to twenty.",
    max_tokens: int = 24,
    step_token: str | None = None,
    seconds: float = 120.0,
) -> list[str]:
    """Hold a backend to its contract; a reward model to that of reward models.

    Args:
        backend: a started one, which is left running; or a function that makes one, which is started, and at
            the end closed amid its work.
        prompt: something the model answers with at least 8 tokens, at temperature 1 not always the same ones.
        max_tokens: of a reply of ordinary length, >= 8.
        step_token: of a process reward model, the token that ends a step.
        seconds: most time for each clause.

    Returns:
        The promises that were checked; those that need a capability the backend does not claim are left out.

    Raises:
        AssertionError: a promise is broken; the message names it.
        ValueError: the prompt's reply is too short to check anything with.
    """
    if isinstance(backend, Backend):
        return await _check_started(backend, prompt, max_tokens, step_token, seconds, closing=False)
    async with backend() as made:
        return await _check_started(made, prompt, max_tokens, step_token, seconds, closing=True)


async def _check_started(
    backend: Backend,
    prompt: Prompt | str,
    max_tokens: int,
    step_token: str | None,
    seconds: float,
    *,
    closing: bool,
) -> list[str]:
    if backend.capabilities.rewards:
        grading = Grading(backend=backend, step_token=step_token)
        return await _hold_to([*REWARD_CLAUSES, *([CLOSING_REWARDS] if closing else [])], grading, seconds)
    bench = Bench(backend=backend, prompt=backend.encode(_as_prompt(prompt)), max_tokens=max_tokens)
    clauses = [clause for clause in CLAUSES if clause.needs <= backend.capabilities.names()]
    return await _hold_to([*clauses, *([_CLOSING] if closing else [])], bench, seconds)


async def _hold_to(clauses: Sequence[Clause[T]], subject: T, seconds: float) -> list[str]:
    await hold_to(clauses, subject, seconds=seconds)
    return [clause.promise for clause in clauses]


def _as_prompt(prompt: Prompt | str) -> Prompt:
    return Prompt.user(prompt) if isinstance(prompt, str) else prompt


# ── what it says of itself ────────────────────────────────────────────────────────────────────────────────


async def _describes_itself(bench: Bench) -> None:
    backend, can, profile = bench.backend, bench.backend.capabilities, bench.backend.profile
    expect(bool(backend.name), "it has no name")
    expect(bool(profile.name), "its model has no name")
    expect(backend.batch_size >= 1, f"batch_size is {backend.batch_size!r}")
    sizes = (profile.num_parameters, profile.num_layers, profile.num_heads, profile.num_kv_heads)
    more = (profile.head_dim, profile.bytes_per_parameter, profile.context_length, profile.prefix_block)
    for size in (*sizes, *more):
        expect(size is None or size > 0, f"a size in the profile is {size!r}: {profile}")
    expect(profile.temperature >= 0, f"the model's own temperature is {profile.temperature!r}")
    expect(not can.max_top_logprobs or can.logprobs, "it gives top log-probabilities but none of chosen tokens")


async def _answers(bench: Bench) -> None:
    reference = await bench.reference()
    if reference.usage.generated < 8 or len(reference.text) < 4:
        raise ValueError(f"the reply {reference.text!r} is too short to check with; give another prompt")


async def _counts_tokens(bench: Bench) -> None:
    count = bench.backend.count_tokens(bench.prompt)
    expect(count >= 1, f"the prompt has {count} tokens")
    (sample,) = await bench.ask(bench.request())
    prompt_tokens = sample.usage.prompt_computed + sample.usage.prompt_cached
    expect(prompt_tokens <= count, f"usage has {prompt_tokens} prompt tokens, count_tokens said {count}")


async def _tokenises(bench: Bench) -> None:
    ids = bench.prompt.token_ids
    expect(bool(ids), "encode gave no token ids though the backend claims to take them")
    expect(bench.backend.encode(bench.prompt) == bench.prompt, "encode changes token ids")
    (sample,) = await bench.ask(bench.request())
    decoded = bench.backend.decode(sample.token_ids)
    expect(_bare(decoded) == _bare(sample.text), f"{sample.text!r} was sent, decode gives {decoded!r}")


def _bare(text: str) -> str:
    """Return a text without what tokenizers and cuts inside a character leave at its ends."""
    return text.strip().rstrip("\N{REPLACEMENT CHARACTER}").rstrip()


# ── samples ───────────────────────────────────────────────────────────────────────────────────────────────


async def _ends_each_sample(bench: Bench) -> None:
    count = bench.backend.count_tokens(bench.prompt)
    samples = await bench.ask(bench.request(bench.warm(), seeds=(11, 12, 13, 14)))
    expect([sample.index for sample in samples] == [0, 1, 2, 3], "samples are missing")
    for sample in samples:
        expect(sample.finish_reason in ("stop", "length"), f"sample {sample.index} ended as {sample.gist}")
        expect(sample.usage.generated >= 1, f"sample {sample.index} reports no generated tokens")
        seen = sample.usage.prompt_computed + sample.usage.prompt_cached
        expect(seen <= count, f"sample {sample.index} was charged {seen} of {count} prompt tokens")
    total = sum(sample.usage.prompt_computed + sample.usage.prompt_cached for sample in samples)
    expect(total >= 1, "nobody was charged for the prompt")


async def _is_greedy(bench: Bench) -> None:
    first, second = await bench.reference(), await bench.reference()
    expect(first.gist == second.gist, f"{first.gist} is not {second.gist}")


async def _keeps_seeds(bench: Bench) -> None:
    seeds = tuple(2**40 + 7 * i for i in range(8))
    together = await bench.ask(bench.request(bench.warm(), seeds=seeds))
    for seed, sample in list(zip(seeds, together, strict=True))[:3]:
        (alone,) = await bench.ask(bench.request(bench.warm(), seeds=(seed,)))
        expect(alone.gist == sample.gist, f"seed {seed}: alone {alone.gist}, in company {sample.gist}")
    distinct = {sample.gist for sample in together}
    expect(len(distinct) > 1, f"eight seeds gave the same sample, {together[0].text!r}")


async def _streams(bench: Bench) -> None:
    whole = await bench.reference()
    (streamed,) = await bench.ask(bench.request(stream=True))
    expect(streamed.gist == whole.gist, f"streamed {streamed.gist}, whole {whole.gist}")
    expect(streamed.num_chunks > 1, "all tokens came in one chunk")
    expect(whole.num_chunks == 1, f"{whole.num_chunks} chunks came though none were wanted before the end")


async def _serves_side_by_side(bench: Bench) -> None:
    lengths = (1, 5, bench.max_tokens, 3, 2 * bench.max_tokens)
    requests = [bench.request(bench.greedy(max_tokens=n), seeds=(n, n + 1)) for n in lengths]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(bench.ask(request)) for request in requests]
    for limit, task in zip(lengths, tasks, strict=True):
        for sample in task.result():
            expect(sample.finish_reason in ("stop", "length"), f"ended as {sample.gist}: {sample.error}")
            expect(sample.usage.generated <= limit, f"{sample.usage.generated} tokens, {limit} allowed")
    if "seeds" in bench.backend.capabilities.names():
        reference = await bench.reference()
        for sample in tasks[2].result():
            expect(sample.gist == reference.gist, f"in company {sample.gist}, alone {reference.gist}")


# ── ends ──────────────────────────────────────────────────────────────────────────────────────────────────


async def _limits_tokens(bench: Bench) -> None:
    for limit in (1, 3):
        (sample,) = await bench.ask(bench.request(bench.greedy(max_tokens=limit)))
        expect(sample.finish_reason == "length", f"max_tokens={limit} ended in {sample.finish_reason!r}")
        expect(sample.usage.generated == limit, f"max_tokens={limit} gave {sample.usage.generated} tokens")


async def _stops_at_strings(bench: Bench) -> None:
    reference = await bench.reference()
    middle = len(reference.text) // 2
    stop = reference.text[middle : middle + 2]
    expected = reference.text[: reference.text.find(stop)]
    for stream in (False, True):
        request = bench.request(bench.greedy(stop=("\N{SNOWMAN}", stop)), stream=stream)
        (sample,) = await bench.ask(request)
        expect(sample.finish_reason == "stop", f"stop={stop!r} ended in {sample.finish_reason!r}")
        expect(sample.text == expected, f"stop={stop!r}: {sample.text!r} came, {expected!r} was due")
        expect(sample.usage.generated <= reference.usage.generated, "it generated on behind the stop string")


async def _stops_at_tokens(bench: Bench) -> None:
    reference = await bench.reference()
    token = reference.token_ids[len(reference.token_ids) // 2]
    before = reference.token_ids[: reference.token_ids.index(token)]
    (sample,) = await bench.ask(bench.request(bench.greedy(stop_token_ids=(token,))))
    expect(sample.finish_reason == "stop", f"it ended in {sample.finish_reason!r}")
    expect(
        sample.token_ids in (before, [*before, token]),
        f"ids {sample.token_ids} came, {before} were due, the stop token may follow",
    )
    expect(reference.text.startswith(sample.text), f"{sample.text!r} does not begin {reference.text!r}")


# ── log-probabilities ─────────────────────────────────────────────────────────────────────────────────────


async def _gives_logprobs(bench: Bench) -> None:
    (sample,) = await bench.ask(bench.request(bench.greedy(logprobs=0), stream=True))
    expect(
        len(sample.logprobs) == sample.usage.generated,
        f"{len(sample.logprobs)} log-probabilities of {sample.usage.generated} tokens",
    )
    expect(max(sample.logprobs) <= _MOST_LOGPROB, f"one is {max(sample.logprobs)}")
    expect(not sample.top_logprobs, "top log-probabilities came, none were asked for")
    without = await bench.reference()
    expect(not without.logprobs, "log-probabilities came, none were asked for")
    expect(without.gist == sample.gist, "asking for log-probabilities changes the sample")


async def _gives_top_logprobs(bench: Bench) -> None:
    num_top = min(3, bench.backend.capabilities.max_top_logprobs)
    (sample,) = await bench.ask(bench.request(bench.greedy(logprobs=num_top)))
    expect(len(sample.top_logprobs) == sample.usage.generated, "they are not one mapping a token")
    for at, top in enumerate(sample.top_logprobs):
        expect(num_top <= len(top) <= num_top + 1, f"position {at} has {len(top)}, {num_top} were asked for")
        expect(max(top.values()) <= _MOST_LOGPROB, f"position {at} has {max(top.values())}")
    for token, value, top in zip(sample.token_ids, sample.logprobs, sample.top_logprobs, strict=False):
        expect(token in top, f"the chosen token {token} is not among {dict(top)}")
        expect(abs(top[token] - value) < 1e-3, f"token {token} has {value} and {top[token]}")


async def _reads_given_texts(bench: Bench) -> None:
    backend, text = bench.backend, bench.backend.encode(Prompt.user("7 plus 8 is 15."))
    score = await backend.score_prompt(text)
    ids, values = score.token_ids, score.logprobs
    expect(ids == text.token_ids, f"the text {text} was read as {ids}")
    expect(len(values) == len(ids) > 1, f"{len(ids)} tokens have {len(values)} log-probabilities")
    expect(values[0] is None, f"the first token, after nothing, has {values[0]}")
    expect(all(v is not None and v <= _MOST_LOGPROB for v in values[1:]), f"not log-probabilities: {values}")
    used = score.usage.prompt_computed + score.usage.prompt_cached
    expect(used == len(ids), f"{used} prompt tokens are charged for a text of {len(ids)}")
    length = backend.profile.context_length
    if length is not None:
        try:
            await backend.score_prompt(Prompt(token_ids=(ids * (length // len(ids) + 1))[: length + 1]))
        except BackendError:
            pass
        else:
            expect(False, f"a text of {length + 1} tokens was read, the context has {length}")
    await _goes_on(bench)


# ── stopping ──────────────────────────────────────────────────────────────────────────────────────────────


def _long_request(bench: Bench, num_samples: int, *, stream: bool) -> Request:
    sampling = Sampling(temperature=1.0, max_tokens=_LONG * bench.max_tokens)
    return bench.request(sampling, seeds=range(100, 100 + num_samples), stream=stream)


async def _aborts_at_once(bench: Bench) -> None:
    generation = bench.backend.generate(_long_request(bench, 3, stream=False))
    generation.abort()
    generation.abort([0])
    for sample in await follow(generation, 3):
        expect(sample.finish_reason == "abort", f"sample {sample.index} ended in {sample.finish_reason!r}")


async def _aborts_one(bench: Bench) -> None:
    request = _long_request(bench, 3, stream=True)
    first, aborted, last = await bench.ask(request, lambda generation: generation.abort([1]))
    expect(aborted.finish_reason != "error", f"the aborted sample failed: {aborted.error}")
    for sample in (first, last):
        expect(sample.finish_reason in ("stop", "length"), f"sample {sample.index} ended as {sample.gist}")


async def _closes_generations(bench: Bench) -> None:
    generation = bench.backend.generate(_long_request(bench, 4, stream=True))
    first = await anext(generation)
    await generation.aclose()
    await generation.aclose()
    expect(not generation.open_samples, f"samples {sorted(generation.open_samples)} are still open")
    samples = [Observed(index=index) for index in range(4)]
    samples[first.index].add(first)
    async for chunk in generation:
        samples[chunk.index].add(chunk)
    for sample in samples:
        expect(sample.finish_reason is not None, f"sample {sample.index} gave no account")
    await _goes_on(bench)


async def _goes_on(bench: Bench) -> None:
    (sample,) = await bench.ask(bench.request(bench.greedy(max_tokens=2)))
    expect(sample.finish_reason in ("stop", "length"), f"the next request failed: {sample.error}")


# ── continuing and failing ────────────────────────────────────────────────────────────────────────────────


async def _continues(bench: Bench) -> None:
    reference = await bench.reference()
    half = len(reference.token_ids) // 2
    begun = Prompt(token_ids=(*(bench.prompt.token_ids or ()), *reference.token_ids[:half]))
    (rest,) = await bench.ask(bench.request(prompt=begun))
    expect(
        rest.token_ids[:1] == reference.token_ids[half : half + 1],
        f"continued by {rest.token_ids}, uninterrupted it went on with {reference.token_ids[half:]}",
    )


async def _fails(bench: Bench, prompt: Prompt, what: str) -> None:
    for sample in await bench.ask(bench.request(prompt=prompt, seeds=(1, 2))):
        expect(sample.finish_reason == "error", f"{what} ended in {sample.finish_reason!r}")
    await _goes_on(bench)


async def _refuses_wrong_ids(bench: Bench) -> None:
    for token_id in (10**9, -1):
        await _fails(bench, Prompt(token_ids=(token_id,)), f"the prompt token {token_id}")


async def _refuses_long_prompts(bench: Bench) -> None:
    length = bench.backend.profile.context_length
    if length is None:
        return
    ids = bench.prompt.token_ids
    if ids is not None:
        repeated = (ids * (length // len(ids) + 1))[: length + 1]
        await _fails(bench, Prompt(token_ids=repeated), f"a prompt of {length + 1} tokens")
    else:
        await _fails(bench, Prompt.user("7 " * (length + 1)), f"a prompt of more than {length} tokens")


async def _closes_amid_work(bench: Bench) -> None:
    backend = bench.backend
    before = asyncio.all_tasks()
    running: list[Generation] = [
        backend.generate(_long_request(bench, 2, stream=stream)) for stream in (True, False)
    ]
    await anext(running[0])
    await backend.aclose()
    await backend.aclose()
    for generation in running:
        expect(not generation.open_samples, f"samples {sorted(generation.open_samples)} never ended")
    left = {task for task in asyncio.all_tasks() - before if not task.done()}
    expect(not left, f"tasks are left: {left}")
    (late,) = await follow(backend.generate(bench.request()), 1)
    expect(late.finish_reason == "error", f"a closed backend answered {late.gist}")


CLAUSES: Final[Sequence[Clause[Bench]]] = (
    Clause(promise="it describes itself and its model", check=_describes_itself),
    Clause(promise="it answers", check=_answers),
    Clause(promise="prompt tokens are counted, at most too high", check=_counts_tokens),
    Clause(promise="ids and text belong together", check=_tokenises, needs=frozenset({"token_ids"})),
    Clause(promise="each sample ends once, with its usage", check=_ends_each_sample),
    Clause(promise="temperature 0 is deterministic", check=_is_greedy),
    Clause(
        promise="a seed gives the same tokens in any company", check=_keeps_seeds, needs=frozenset({"seeds"})
    ),
    Clause(promise="streamed chunks join to the whole", check=_streams, needs=frozenset({"stream"})),
    Clause(promise="requests of different lengths run side by side", check=_serves_side_by_side),
    Clause(promise="max_tokens is the limit", check=_limits_tokens),
    Clause(promise="stop strings end and are cut", check=_stops_at_strings, needs=frozenset({"stop_strings"})),
    Clause(promise="stop tokens end", check=_stops_at_tokens, needs=frozenset({"token_ids"})),
    Clause(promise="log-probabilities match the tokens", check=_gives_logprobs, needs=frozenset({"logprobs"})),
    Clause(
        promise="top log-probabilities match", check=_gives_top_logprobs, needs=frozenset({"max_top_logprobs"})
    ),
    Clause(
        promise="given texts have log-probabilities",
        check=_reads_given_texts,
        needs=frozenset({"prompt_logprobs"}),
    ),
    Clause(promise="an abort right away is accounted for", check=_aborts_at_once),
    Clause(promise="aborting one sample lets the others run", check=_aborts_one),
    Clause(promise="closing a generation accounts for all of it", check=_closes_generations),
    Clause(promise="token ids continue a sample", check=_continues, needs=frozenset({"token_ids"})),
    Clause(
        promise="a wrong token id is an error of that request only",
        check=_refuses_wrong_ids,
        needs=frozenset({"token_ids"}),
    ),
    Clause(promise="too long a prompt is an error of that request only", check=_refuses_long_prompts),
)
"""The contract, in the order it is checked."""

_CLOSING: Final = Clause(promise="closing the backend ends everything", check=_closes_amid_work)
