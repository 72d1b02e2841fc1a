"""The prefix tree against a list of all texts, and what is held once against looking at every instant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttscale.trace import Span
from ttscale.trace.prefixes import PrefixIndex, Visit
from ttscale.trace.work import work_of
from ttscale.types import Sharing

BLOCK = 3

texts = st.lists(st.integers(0, 2), min_size=1, max_size=12)
requests = st.lists(
    st.tuples(
        texts,
        st.lists(st.integers(0, 2), max_size=6),  # generated
        st.integers(0, 9),  # began
        st.integers(0, 5),  # seconds
        st.sampled_from((True, True, True, False)),  # accounted
    ),
    max_size=12,
)
Request = tuple[list[int], list[int], int, int, bool]


def num_alike(one: Sequence[int], other: Sequence[int]) -> int:
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


@dataclass
class Everything:
    """All that was ever computed, text by text."""

    known: list[list[int]] = field(default_factory=list[list[int]])

    def shared(self, prompt: list[int]) -> int:
        return max((num_alike(prompt, text) for text in self.known), default=0)


def in_order(given: Sequence[Request]) -> list[tuple[int, int, int]]:
    """Return time, whether it begins, and place, of all that happens; an end is before a beginning."""
    events = [(began, 1, place) for place, (_, _, began, _, _) in enumerate(given)]
    events += [
        (began + length, 2 if length == 0 else 0, place) for place, (_, _, began, length, _) in enumerate(given)
    ]
    return sorted(events)


def visits_of(given: Sequence[Request]) -> list[Visit]:
    """Feed an index and count."""
    index, visits = PrefixIndex(block=BLOCK), dict[int, Visit]()
    for _, kind, place in in_order(given):
        prompt, generated, _, _, is_accounted = given[place]
        if kind == 1:
            visit = index.begin(tuple(prompt))
            assert visit is not None
            visits[place] = visit
        else:
            index.end(visits[place], generated, num_generated=len(generated), is_accounted=is_accounted)
    index.count()
    return [visits[place] for place in range(len(given))]


def shared_by_hand(given: Sequence[Request]) -> list[int | None]:
    everything, shared = Everything(), dict[int, int | None]()
    for _, kind, place in in_order(given):
        prompt, generated, _, _, is_accounted = given[place]
        if not is_accounted:
            shared[place] = None
        elif kind == 1:
            shared[place] = everything.shared(prompt)
            everything.known.append(prompt)
        else:
            everything.known.append([*prompt, *generated[:-1]])
    return [shared[place] for place in range(len(given))]


@given(requests)
def test_a_prompt_shares_what_the_text_most_like_it_begins_with(given: list[Request]) -> None:
    visits = visits_of(given)
    assert [visit.shared for visit in visits] == shared_by_hand(given)
    assert [visit.num_tokens for visit in visits] == [len(prompt) for prompt, *_ in given]


@given(requests)
def test_whole_blocks_that_are_found_hold_shared_tokens_and_never_the_last(given: list[Request]) -> None:
    for visit in visits_of(given):
        if visit.shared is None:
            assert visit.shared_in_blocks is None
            continue
        found = visit.shared_in_blocks
        assert found is not None
        most = min(visit.shared, visit.num_tokens - 1)
        assert found % BLOCK == 0
        assert found <= most < found + BLOCK


@given(requests)
def test_tokens_are_computed_once_where_all_that_is_computed_is_a_prompt(given: list[Request]) -> None:
    asked = [(prompt, list[int](), began, length, True) for prompt, _, began, length, _ in given]
    visits = visits_of(asked)
    distinct = {tuple(prompt[:end]) for prompt, *_ in given for end in range(1, len(prompt) + 1)}
    assert sum(visit.num_tokens - (visit.shared or 0) for visit in visits) == len(distinct)


def spans_of(given: Sequence[Request]) -> list[Span]:
    return [
        Span(
            id=number,
            parent=None,
            kind="sample",
            name="sample",
            start=0.0,
            began=float(began),
            end=float(began + length),
            visit=visit,
            attributes={
                "prompt_computed": len(prompt) if accounted else 0,
                "generated": len(generated) if accounted else 0,
            },
        )
        for number, ((prompt, generated, began, length, accounted), visit) in enumerate(
            zip(given, visits_of(given), strict=True)
        )
    ]


def sharing_of(given: Sequence[Request]) -> tuple[Sharing, int, int]:
    """Return the sharing, and the token-steps and peak without any."""
    work = work_of(spans_of(given), lambda _: 1.0)
    assert work.sharing is not None
    return work.sharing, work.kv_token_steps, work.peak_kv_tokens


def prefixes(request: Request) -> set[tuple[int, ...]]:
    return {tuple(request[0][:end]) for end in range(1, len(request[0]) + 1)}


@given(requests)
def test_what_is_held_once_is_what_there_is_at_every_instant(given: list[Request]) -> None:
    met = [request for request in given if request[4]]
    sharing, _, _ = sharing_of(given)
    steps, most = 0.0, 0.0
    for second in range(16):
        inside = [r for r in met if r[2] <= second < r[2] + r[3]]
        paces = {
            prefix: [len(r[1]) / r[3] for r in inside if prefix in prefixes(r)]
            for r in inside
            for prefix in prefixes(r)
        }
        steps += sum(sum(of) / len(of) for of in paces.values())
        instant = [r for r in met if r[3] == 0 and r[2] == second]
        several = {
            prefix: [len(r[1]) for r in instant if prefix in prefixes(r)]
            for r in instant
            for prefix in prefixes(r)
        }
        steps += sum(sum(of) / len(of) for of in several.values())
        for held in (
            [r for r in met if r[2] < second <= r[2] + r[3]],  # just before
            inside + instant,  # just after
        ):
            prompts = set[tuple[int, ...]]().union(*map(prefixes, held))
            grown = sum(len(r[1]) * ((second - r[2]) / r[3] if r[3] else 1.0) for r in held)
            most = max(most, len(prompts) + grown)
    own = sum(len(r[1]) * (len(r[1]) + 1) // 2 for r in met)
    assert sharing.kv_token_steps == pytest.approx(own + steps, abs=0.51)
    assert most - 1e-2 <= sharing.peak_kv_tokens <= most + 1


@given(requests)
def test_what_is_held_once_is_never_more_and_the_same_where_nothing_is_shared(given: list[Request]) -> None:
    sharing, steps, peak = sharing_of(given)
    assert sharing.kv_token_steps <= steps
    assert sharing.peak_kv_tokens <= peak
    assert sharing.unshared <= sharing.computed == sharing.shared + sharing.unshared
    apart = [([100 + n, *r[0]], *r[1:]) for n, r in enumerate(given)]
    alone, steps, peak = sharing_of(apart)
    assert (alone.kv_token_steps, alone.peak_kv_tokens, alone.shared) == (steps, peak, 0)
