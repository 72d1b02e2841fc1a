"""One request's samples and their account: who gets which tokens, and when a sample is delivered."""

from __future__ import annotations

import asyncio

from ttscale.backends.base import Chunk, Generation
from ttscale.backends.openai.call import Call, Draft
from ttscale.backends.openai.replies import Delta, Reply, ServerUsage
from ttscale.types import SampleUsage


class Table:
    """A generation with one call that draws all its samples."""

    def __init__(
        self,
        num_samples: int,
        *,
        stream: bool = False,
        num_prompt_tokens: int = 0,
        num_unseen_tokens: int = 0,
    ) -> None:
        self.generation = Generation(num_samples, self._abort)
        drafts = [Draft(index=index, seed=index) for index in range(num_samples)]
        self.call = Call(
            self.generation,
            drafts,
            stream=stream,
            num_prompt_tokens=num_prompt_tokens,
            num_unseen_tokens=num_unseen_tokens,
        )

    def _abort(self, indices: object) -> None:
        assert isinstance(indices, list)
        self.call.abort(indices)

    def arrived(self) -> list[Chunk]:
        """Return the chunks delivered since the last time."""
        chunks = list[Chunk]()
        while not self.generation._queue.empty():  # pyright: ignore[reportPrivateUsage]
            chunk = self.generation._queue.get_nowait()  # pyright: ignore[reportPrivateUsage]
            chunks += [chunk] if chunk is not None else []
        return chunks


def words(choice: int, text: str, *, num_ids: int = 0, finish: str | None = None) -> Delta:
    ids = tuple(range(num_ids))
    return Delta(choice=choice, text=text, token_ids=ids, is_output=bool(text or ids), finish=finish)


def event(*deltas: Delta) -> Reply:
    return Reply(deltas=deltas)


def bill(prompt: int, completion: int, cached: int = 0) -> Reply:
    return Reply(usage=ServerUsage(prompt_tokens=prompt, completion_tokens=completion, cached_tokens=cached))


def test_a_single_sample_waits_for_the_servers_bill() -> None:
    table = Table(1)
    table.call.take(event(words(0, "a")))
    table.call.take(event(words(0, "b", finish="stop")))
    assert table.arrived() == []
    table.call.take(bill(9, 5, cached=8))
    (chunk,) = table.arrived()
    assert (chunk.text, chunk.finish_reason) == ("ab", "stop")
    assert chunk.usage == SampleUsage(prompt_computed=1, prompt_cached=8, generated=5)
    assert table.call.end() == []
    assert table.arrived() == []


def test_a_server_that_sends_no_bill_is_counted_by_events() -> None:
    table = Table(1, num_prompt_tokens=7)
    for text in ("a", "bcd", ""):
        table.call.take(event(words(0, text)))
    table.call.take(event(words(0, "", finish="length")))
    table.call.end()
    (chunk,) = table.arrived()
    assert chunk.usage == SampleUsage(prompt_computed=7, generated=2)
    assert chunk.finish_reason == "length"


def test_streamed_chunks_arrive_at_once_and_the_last_one_with_the_bill() -> None:
    table = Table(1, stream=True)
    table.call.take(event(words(0, "a", num_ids=1)))
    table.call.take(event(words(0, "b", num_ids=1, finish="stop")))
    first, second = table.arrived()
    assert (first.text, first.token_ids, second.text, second.finish_reason) == ("a", (0,), "b", None)
    table.call.take(bill(3, 2))
    (last,) = table.arrived()
    assert (last.text, last.finish_reason) == ("", "stop")


def test_a_sample_that_ends_early_is_not_held_back_by_the_others() -> None:
    table = Table(3)
    table.call.take(event(words(0, "aa", num_ids=2), words(1, "b", num_ids=1), words(2, "c", num_ids=1)))
    table.call.take(event(words(0, "", finish="stop")))
    (early,) = table.arrived()
    assert (early.index, early.usage) == (0, SampleUsage(generated=2))
    table.call.take(event(words(1, "b", num_ids=1, finish="stop"), words(2, "", finish="stop")))
    table.call.take(bill(10, 5))
    first, second = table.arrived()
    assert first.usage == SampleUsage(prompt_computed=10, generated=2)
    assert second.usage == SampleUsage(generated=1)


def test_samples_without_counts_share_the_bill_by_their_length() -> None:
    table = Table(2)
    table.call.take(event(words(0, "x" * 30, finish="stop"), words(1, "x" * 10, finish="stop")))
    table.call.take(bill(10, 20))
    assert [chunk.usage for chunk in table.arrived()] == [
        SampleUsage(prompt_computed=10, generated=15),
        SampleUsage(generated=5),
    ]


def test_what_a_stopped_sample_goes_on_using_stays_on_the_bill() -> None:
    table = Table(2)
    table.call.take(event(words(0, "a", num_ids=1), words(1, "b", num_ids=1)))
    table.generation.abort([0])
    (stopped,) = table.arrived()
    assert (stopped.finish_reason, stopped.text, stopped.usage) == ("abort", "a", SampleUsage(generated=1))
    table.call.take(event(words(0, "aaaa", num_ids=4), words(1, "b", num_ids=1, finish="stop")))
    table.call.take(bill(10, 7))
    (survivor,) = table.arrived()
    assert survivor.text == "bb"
    assert survivor.usage == SampleUsage(prompt_computed=10, generated=6)


def test_what_a_stopped_sample_went_on_using_is_charged_even_if_no_bill_comes() -> None:
    table = Table(3, num_prompt_tokens=10)
    table.call.take(event(words(0, "a", num_ids=1), words(1, "b", num_ids=1), words(2, "c", num_ids=1)))
    table.generation.abort([0])
    table.call.take(event(words(0, "aaaa", num_ids=4), words(1, "b", num_ids=2)))
    table.generation.abort()
    usages = [chunk.usage for chunk in table.arrived() if chunk.usage is not None]
    assert sum(usage.generated for usage in usages) == 1 + 4 + 3 + 1
    assert sum(usage.prompt_computed for usage in usages) == 10


async def test_stopping_every_sample_cancels_the_request_and_charges_the_prompt_once() -> None:
    table = Table(2, num_prompt_tokens=10)
    table.call.task = asyncio.get_running_loop().create_task(asyncio.sleep(60))
    table.call.take(event(words(0, "a"), words(1, "bb")))
    table.generation.abort([1])
    assert table.call.task.cancelling() == 0
    table.generation.abort()
    assert table.call.task.cancelling() == 1
    assert [(chunk.index, chunk.usage) for chunk in table.arrived()] == [
        (1, SampleUsage(generated=1)),
        (0, SampleUsage(prompt_computed=10, generated=1)),
    ]
    await asyncio.wait({table.call.task})


def test_a_request_stopped_before_an_answer_has_used_nothing_we_know_of() -> None:
    table = Table(1, num_prompt_tokens=10)
    table.generation.abort()
    assert [chunk.usage for chunk in table.arrived()] == [SampleUsage()]


def test_where_nobody_could_watch_a_stopped_request_is_charged_the_most_it_may_have_used() -> None:
    table = Table(2, num_prompt_tokens=10, num_unseen_tokens=30)
    table.call.note_sent()
    table.generation.abort([0])
    table.generation.abort([1])
    usages = [chunk.usage for chunk in table.arrived()]
    assert usages == [SampleUsage(), SampleUsage(prompt_computed=10, generated=60)]


def test_a_request_that_was_never_sent_costs_nothing_even_where_nobody_could_watch() -> None:
    table = Table(1, num_prompt_tokens=10, num_unseen_tokens=30)
    table.generation.abort()
    assert [chunk.usage for chunk in table.arrived()] == [SampleUsage()]


def test_a_sample_the_model_had_finished_is_whole_even_when_stopped_or_cut_off() -> None:
    for stop in ("abort", "fail"):
        table = Table(1)
        table.call.take(event(words(0, "a", finish="stop")))
        if stop == "abort":
            table.generation.abort()
        else:
            table.call.fail("cut")
        (chunk,) = table.arrived()
        assert (chunk.finish_reason, chunk.error, chunk.usage) == ("stop", None, SampleUsage(generated=1))


def test_a_failure_keeps_what_there_was() -> None:
    table = Table(2, num_prompt_tokens=4)
    table.call.take(event(words(0, "part", num_ids=3)))
    table.call.fail("cut")
    first, second = table.arrived()
    assert (first.finish_reason, first.error, first.text) == ("error", "cut", "part")
    assert first.usage == SampleUsage(prompt_computed=4, generated=3)
    assert (second.finish_reason, second.text, second.usage) == ("error", "", SampleUsage())


def test_samples_the_server_left_out_are_handed_back() -> None:
    table = Table(3)
    table.call.take(event(words(0, "a", finish="stop")))
    assert table.arrived() == []
    table.call.take(bill(10, 4))
    table.arrived()
    assert [draft.index for draft in table.call.end()] == [1, 2]
    table.call.abort([1, 2])
    assert table.arrived() == []
    assert table.generation.open_samples == {1, 2}


def test_the_whole_bill_is_charged_when_the_server_ignores_n() -> None:
    table = Table(3)
    table.call.take(event(words(0, "a", finish="stop")))
    table.call.take(bill(10, 4))
    (chunk,) = table.arrived()
    assert chunk.usage == SampleUsage(prompt_computed=10, generated=4)


def test_an_answer_without_samples_is_a_failure() -> None:
    table = Table(2)
    table.call.take(bill(10, 0))
    assert table.call.end() == []
    assert [chunk.error for chunk in table.arrived()] == ["the server's answer holds no sample"] * 2


def test_a_sample_that_ends_without_a_reason_is_a_failure_with_its_text() -> None:
    table = Table(1)
    table.call.take(event(words(0, "a")))
    table.call.end()
    (chunk,) = table.arrived()
    assert (chunk.finish_reason, chunk.text) == ("error", "a")
    assert chunk.error is not None
    assert "without saying why" in chunk.error


def test_a_choice_nobody_asked_for_is_ignored() -> None:
    table = Table(1)
    table.call.take(event(words(5, "x", finish="stop"), words(0, "a", finish="stop")))
    table.call.take(bill(1, 1))
    assert [chunk.text for chunk in table.arrived()] == ["a"]


def test_logprobs_are_delivered_with_their_tokens() -> None:
    table = Table(1)
    delta = Delta(
        choice=0, text="a", token_ids=(4,), logprobs=(-0.5,), top_logprobs=({4: -0.5},), is_output=True
    )
    table.call.take(event(delta, delta))
    table.call.take(event(words(0, "", finish="stop")))
    table.call.end()
    (chunk,) = table.arrived()
    assert (chunk.logprobs, chunk.top_logprobs) == ((-0.5, -0.5), ({4: -0.5}, {4: -0.5}))
