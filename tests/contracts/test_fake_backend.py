"""FakeBackend keeps the contract of every backend; a backend that breaks a clause is found out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from ttscale.backends.base import Capabilities, Chunk, Generation, Request
from ttscale.testing import EVERYTHING, FakeBackend, check_backend, noisy_answers, virtual_clock
from ttscale.testing.backend_checks import CLAUSES
from ttscale.types import Prompt, SampleUsage

SCRIPT = noisy_answers("42", 0.5, ["7", "123456"])


@virtual_clock
@pytest.mark.parametrize("abort_seconds", [0.0, 0.5])
@pytest.mark.parametrize("batch_size", [1, 3, 64])
async def test_the_fake_backend_keeps_every_clause(batch_size: int, abort_seconds: float) -> None:
    checked = await check_backend(
        lambda: FakeBackend(SCRIPT, batch_size=batch_size, abort_seconds=abort_seconds)
    )
    assert len(checked) == len(CLAUSES) + 1


@virtual_clock
async def test_clauses_that_need_more_than_a_backend_claims_are_left_out() -> None:
    checked = await check_backend(lambda: FakeBackend(SCRIPT, capabilities=Capabilities()))
    expected = [clause.promise for clause in CLAUSES if not clause.needs]
    assert checked == [*expected, "closing the backend ends everything"]


@virtual_clock
async def test_a_started_backend_is_checked_and_left_running() -> None:
    async with FakeBackend(SCRIPT) as backend:
        assert len(await check_backend(backend)) == len(CLAUSES)
        assert (backend.num_running, backend.num_waiting) == (0, 0)
        await check_backend(backend)


@virtual_clock
async def test_a_prompt_with_too_short_a_reply_is_refused() -> None:
    with pytest.raises(ValueError, match="another prompt"):
        await check_backend(lambda: FakeBackend("yes"))


# ── backends that break their promises ────────────────────────────────────────────────────────────────────


class _Broken(FakeBackend):
    """Changes requests before, and chunks after, the engine sees them."""

    def __init__(
        self,
        *,
        on_request: Callable[[Request], Request] = lambda request: request,
        on_chunk: Callable[[Chunk], list[Chunk]] = lambda chunk: [chunk],
        capabilities: Capabilities = EVERYTHING,
    ) -> None:
        super().__init__(SCRIPT, capabilities=capabilities)
        self._on_request = on_request
        self._on_chunk = on_chunk

    def generate(self, request: Request) -> Generation:
        generation = super().generate(self._on_request(request))
        push = generation.push

        def tampered(chunk: Chunk) -> None:
            for changed in self._on_chunk(chunk):
                push(changed)

        generation.push = tampered  # type: ignore[method-assign]
        return generation


def _without(request: Request, **changes: object) -> Request:
    return replace(request, sampling=replace(request.sampling, **changes))  # type: ignore[arg-type]


class _Undead(FakeBackend):
    """Answers after it was closed."""

    async def aclose(self) -> None:
        """Close nothing."""


class _Mumbling(FakeBackend):
    """Cannot read what it wrote."""

    def decode(self, token_ids: object) -> str:
        return "nonsense"


class _Deaf(FakeBackend):
    """Never stops what is aborted."""

    def _abort(self, number: int, indices: Sequence[int]) -> None:
        """Do nothing."""


class _Fragile(FakeBackend):
    """Breaks down for good at a wrong prompt."""

    is_broken = False

    def generate(self, request: Request) -> Generation:
        self.is_broken = self.is_broken or (request.prompt.token_ids or (0,))[0] == -1
        broken = Prompt(token_ids=(-1,))
        return super().generate(replace(request, prompt=broken) if self.is_broken else request)


MUTANTS: dict[str, tuple[Callable[[], FakeBackend], str]] = {
    "a batch of nothing": (
        lambda: _with_batch_size(FakeBackend(SCRIPT), 0),
        "it describes itself",
    ),
    "no usage of the prompt": (
        lambda: _Broken(
            on_chunk=lambda c: [replace(c, usage=c.usage and SampleUsage(generated=c.usage.generated))]
        ),
        "each sample ends once",
    ),
    "usage of other tokens than were sent": (
        lambda: _Broken(on_chunk=lambda c: [replace(c, usage=c.usage and replace(c.usage, generated=5))]),
        "each sample ends once|prompt tokens are counted|generated tokens and sent",
    ),
    "text that does not belong to its ids": (lambda: _Mumbling(SCRIPT), "ids and text belong together"),
    "seeds that count on": (
        lambda: _Broken(
            on_request=lambda r: replace(r, seeds=tuple(r.seeds[0] + i for i in range(len(r.seeds))))
        ),
        "a seed gives the same tokens",
    ),
    "one seed for all": (
        lambda: _Broken(on_request=lambda r: replace(r, seeds=(0,) * len(r.seeds))),
        "a seed gives the same tokens",
    ),
    "no streaming": (
        lambda: _Broken(on_request=lambda r: replace(r, stream=False)),
        "streamed chunks",
    ),
    "streaming unasked": (
        lambda: _Broken(on_request=lambda r: replace(r, stream=True)),
        "streamed chunks",
    ),
    "no limit": (
        lambda: _Broken(on_request=lambda r: _without(r, max_tokens=None)),
        "side by side|max_tokens",
    ),
    "no stop strings": (lambda: _Broken(on_request=lambda r: _without(r, stop=())), "stop strings"),
    "stop strings that are not cut": (
        lambda: _Broken(on_chunk=_with_whole_text),
        "stop strings",
    ),
    "no stop tokens": (lambda: _Broken(on_request=lambda r: _without(r, stop_token_ids=())), "stop tokens"),
    "no log-probabilities": (
        lambda: _Broken(on_request=lambda r: _without(r, logprobs=None)),
        "log-probabilities",
    ),
    "log-probabilities unasked": (
        lambda: _Broken(on_request=lambda r: _without(r, logprobs=r.sampling.logprobs or 0)),
        "log-probabilities",
    ),
    "too few top log-probabilities": (
        lambda: _Broken(on_request=lambda r: _without(r, logprobs=r.sampling.logprobs and 1)),
        "top log-probabilities",
    ),
    "probabilities for logarithms": (
        lambda: _Broken(on_chunk=lambda c: [replace(c, logprobs=c.logprobs and tuple(-x for x in c.logprobs))]),
        "log-probabilities",
    ),
    "deaf to aborts": (lambda: _Deaf(SCRIPT), "an abort right away"),
    "aborts everything": (
        lambda: _Broken(on_chunk=lambda c: [replace(c, finish_reason="abort")] if c.finish_reason else [c]),
        "gave|ended",
    ),
    "fails for good": (lambda: _Fragile(SCRIPT), "a wrong token id"),
    "answers anything": (
        lambda: _Broken(on_request=lambda r: replace(r, prompt=Prompt(text="x")) if _is_wrong(r) else r),
        "a wrong token id",
    ),
    "lives on": (lambda: _Undead(SCRIPT), "closing the backend"),
}


def _with_batch_size(backend: FakeBackend, size: int) -> FakeBackend:
    backend.batch_size = size
    return backend


def _is_wrong(request: Request) -> bool:
    return any(not 0 <= token < 0x110010 for token in request.prompt.token_ids or ())


def _with_whole_text(chunk: Chunk) -> list[Chunk]:
    whole = "".join(chr(token) for token in chunk.token_ids if token < 0x110000)
    return [replace(chunk, text=whole)]


@virtual_clock
@pytest.mark.parametrize("name", MUTANTS)
async def test_a_backend_that_breaks_a_promise_is_found_out(name: str) -> None:
    factory, promise = MUTANTS[name]
    with pytest.raises(AssertionError, match=promise):
        await check_backend(factory)


@virtual_clock
async def test_a_sample_that_never_ends_is_found_out() -> None:
    def swallow(chunk: Chunk) -> list[Chunk]:
        return [] if chunk.index == 1 and chunk.finish_reason != "abort" else [chunk]

    with pytest.raises(AssertionError, match=r"each sample ends once.*not done within"):
        await check_backend(lambda: _Broken(on_chunk=swallow), seconds=1000.0)
