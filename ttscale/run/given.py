"""Given texts: a model reads what somebody else wrote, at a verifier's expense."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from ttscale.errors import TTScaleError
from ttscale.run.draw import WorstCase, booked
from ttscale.trace import Span
from ttscale.types import Prompt, SampleUsage

if TYPE_CHECKING:
    from ttscale.budget import Scope
    from ttscale.run.run import Run


class Said(Protocol):
    """What a model says of a given text."""

    @property
    def usage(self) -> SampleUsage:
        """What it took."""
        ...


SaidT = TypeVar("SaidT", bound=Said)


async def read_given(
    run: Run,
    scope: Scope,
    name: str,
    encoded: Prompt,
    read: Callable[[], Awaitable[SaidT]],
    *,
    most_generated: int = 0,
) -> tuple[SaidT, Span]:
    """Have a run's model read a text, and return what it says with the span of that.

    Args:
        run: whose.
        scope: what pays.
        name: of the span.
        encoded: the text, for the most that it may cost.
        read: has the model read it.
        most_generated: tokens that an engine may generate on the way; some cannot do without.

    Raises:
        BudgetExhausted: the text does not fit the budget.
        TTScaleError: the model cannot read it; nothing is charged.
    """
    room = run.room
    worst = WorstCase(room.cost, room.backend.count_tokens(encoded), "verifier")
    reservation = await scope.reserve(lambda _: worst(most_generated), 1)
    span, path, began = run.open_span("score", name), run.critical_path_seconds, run.now()
    run.trace.begin_prompt(span, room.backend, encoded.token_ids)
    # If it is cut off nobody knows what it has used: this is the most.
    used = SampleUsage(prompt_computed=worst.prompt_tokens, generated=most_generated)
    try:
        said = await read()
        used = said.usage
    except TTScaleError:
        used = SampleUsage()
        raise
    finally:
        reservation.commit(booked(used, bucket="verifier", ended_itself=True, cost=room.cost))
        run.trace.end_prompt(span, room.backend, (), replace(used, generated=0))
        run.trace.close(
            span,
            prompt_computed=used.prompt_computed,
            prompt_cached=used.prompt_cached,
            generated=used.generated,
        )
        run.advance(0, path + run.now() - began)
    return said, span
