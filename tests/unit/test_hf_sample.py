"""One sample of the embedded backend: when it ends, and what its chunks carry."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from ttscale.backends.base import Chunk, Generation
from ttscale.backends.hf.sample import SampleState, Token
from ttscale.types import SampleUsage, Sampling

END = 0


def letters(token_ids: Sequence[int]) -> str:
    return "".join(chr(token_id) for token_id in token_ids)


def sample(
    sampling: Sampling | None = None, *, max_tokens: int = 100, stream: bool = False, started: bool = True
) -> SampleState:
    state = SampleState(
        generation=Generation(1, lambda _: None),
        index=0,
        prompt=(7, 8, 9),
        sampling=sampling or Sampling(),
        seed=0,
        max_tokens=max_tokens,
        end_ids=frozenset({END}),
        decode=letters,
        stream=stream,
        priority=0,
    )
    if started:
        state.start(3)
    return state


def take(state: SampleState, text: str, *last: int) -> list[Chunk]:
    """Feed tokens until the sample ends; return the chunks."""
    chunks = list[Chunk]()
    for token_id in [*map(ord, text), *last]:
        chunk = state.take(Token(token_id=token_id, logprob=-float(token_id), top_logprobs={token_id: -0.5}))
        chunks += [chunk] if chunk else []
        if state.ended:
            break
    return chunks


def test_an_end_token_stays_in_the_ids_and_out_of_the_text() -> None:
    (last,) = take(sample(), "ab", END)
    assert last.token_ids == (97, 98, END)
    assert last.text == "ab"
    assert last.finish_reason == "stop"
    assert last.usage == SampleUsage(prompt_computed=3, prompt_cached=0, generated=3)


def test_a_stop_string_is_cut_from_the_text_but_not_from_the_ids() -> None:
    (last,) = take(sample(Sampling(stop=("cd",))), "abcdef")
    assert last.token_ids == tuple(map(ord, "abcd"))
    assert last.text == "ab"
    assert last.finish_reason == "stop"


def test_the_token_limit_ends_a_sample_and_gives_out_what_a_stop_string_held_back() -> None:
    (last,) = take(sample(Sampling(stop=("cd",)), max_tokens=3), "abc")
    assert last.text == "abc"
    assert last.finish_reason == "length"


def test_a_stop_string_completed_by_the_last_allowed_token_counts_as_a_stop() -> None:
    (last,) = take(sample(Sampling(stop=("bc",)), max_tokens=3), "abc")
    assert (last.text, last.finish_reason) == ("a", "stop")


def test_a_streamed_sample_gives_a_chunk_a_token_and_the_same_in_all() -> None:
    sampling = Sampling(stop=("cd",), logprobs=1)
    (whole,) = take(sample(sampling), "abcd")
    chunks = take(sample(sampling, stream=True), "abcd")
    assert [chunk.token_ids for chunk in chunks] == [(97,), (98,), (99,), (100,)]
    assert [chunk.text for chunk in chunks] == ["a", "b", "", ""]
    assert tuple(p for chunk in chunks for p in chunk.logprobs or ()) == whole.logprobs
    assert tuple(t for chunk in chunks for t in chunk.top_logprobs or ()) == whole.top_logprobs
    assert chunks[-1].usage == whole.usage


@pytest.mark.parametrize(
    ("asked", "logprobs", "tops"), [(None, None, None), (0, (-97.0,), None), (1, (-97.0,), ({97: -0.5},))]
)
def test_logprobs_come_only_as_asked(
    asked: int | None, logprobs: tuple[float, ...] | None, tops: tuple[dict[int, float], ...] | None
) -> None:
    (last,) = take(sample(Sampling(logprobs=asked), max_tokens=1), "a")
    assert last.logprobs == logprobs
    assert last.top_logprobs == tops


def test_an_aborted_sample_keeps_what_it_has() -> None:
    state = sample(Sampling(stop=("bc",)))
    take(state, "ab")
    last = state.end("abort")
    assert (last.token_ids, last.text, last.finish_reason) == ((97, 98), "ab", "abort")
    assert last.usage == SampleUsage(prompt_computed=3, generated=2)


def test_a_sample_that_never_started_used_nothing() -> None:
    assert sample(started=False).end("abort").usage == SampleUsage()


def test_a_sample_of_a_shared_prompt_counts_it_as_cached() -> None:
    state = sample(started=False)
    state.start(0)
    assert state.usage() == SampleUsage(prompt_cached=3)


def test_it_reads_the_end_of_its_prompt_first_and_then_its_own_tokens() -> None:
    state = sample()
    assert state.next_token == 9
    take(state, "a")
    assert state.next_token == 97
