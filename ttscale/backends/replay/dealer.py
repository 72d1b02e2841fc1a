"""Which recorded samples a request gets, and what its prompt costs."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby

from ttscale.backends.base import Request
from ttscale.bank import NO_LOGPROBS, Bank, RecordedModel, SampleHead, Settings
from ttscale.bank.sample import prompt_digest, series_key
from ttscale.errors import BackendError
from ttscale.types import Prompt, SampleUsage, Sampling


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Recordings:
    """The samples of one series."""

    key: str
    draws: Mapping[int, Sequence[SampleHead]]
    """By draw, in order; recordings of the same sample with more or fewer log-probabilities."""
    is_greedy: bool
    whole: Sequence[int]
    """Draws with a whole sample, in order."""
    by_seed: Mapping[int, int]
    """Draw of each seed that was recorded."""
    first_prompt: SampleUsage
    """What the prompt costs the first sample of a deal."""
    later_prompt: SampleUsage
    """What it costs the first sample of a later request."""
    shared_prompt: SampleUsage
    """What it costs the other samples of a request."""

    def dealt(self, order: int | None) -> list[int]:
        """Return the draws with a whole sample as they are dealt to seeds that were not recorded.

        Args:
            order: seed of the order; ``None``: as they were recorded.
        """
        draws = list(self.whole)
        if order is not None:
            random.Random(f"{order} {self.key}").shuffle(draws)
        return draws


@dataclass(slots=True, eq=False)
class Deck:
    """The samples of one series in one deal, and who got which of them."""

    recordings: Recordings
    order: Sequence[int]
    """Draws with a whole sample, as they are dealt."""
    by_seed: Mapping[int, int]
    """Draw of each seed that may be asked for again."""
    given: dict[int, int] = field(default_factory=dict[int, int])
    """From seed to draw."""
    was_charged: bool = False
    """Whether its prompt has been computed in this deal."""


class Dealer:
    """Deals the recorded samples of one model.

    A seed that was recorded gets the sample it was recorded with. Any other seed is dealt the first whole
    sample that nobody had, and keeps it; so within a deal no two seeds get the same sample. At temperature 0
    every sample is the same, and everybody may have it.
    """

    def __init__(self, bank: Bank, model: RecordedModel, *, order: int | None) -> None:
        """Begin the first deal; see `begin`."""
        self._bank = bank
        self._model = model
        self._order = order
        self._decks = dict[str, Deck]()
        self._recordings = dict[str, Recordings]()
        self._keys = dict[tuple[Prompt, Settings | None], str]()

    def begin(self, order: int | None) -> None:
        """Begin a new deal: all samples are there again, prompts have not been computed.

        Args:
            order: samples are dealt in an order drawn from this seed, without regard to the seeds they were
                recorded with; ``None``: as they were recorded.
        """
        self._order = order
        self._decks.clear()

    def deal(self, request: Request) -> tuple[Deck, list[SampleHead]]:
        """Return the recordings that a request gets, one a seed.

        Raises:
            BackendError: fewer are there than were asked for in this deal, or without what was asked for.
        """
        deck = self._deck(request)
        recordings = deck.recordings
        if recordings.is_greedy:
            return deck, [self._best_greedy(recordings, request.sampling)] * len(request.seeds)
        given = dict(deck.given)
        taken = set(given.values())
        new = list(dict.fromkeys(seed for seed in request.seeds if seed not in given))
        for seed in [seed for seed in new if deck.by_seed.get(seed) not in {None, *taken}]:
            given[seed] = deck.by_seed[seed]
            taken.add(given[seed])
        free = (draw for draw in deck.order if draw not in taken)
        for seed in new:
            if seed not in given:
                draw = next(free, None)
                if draw is None:
                    raise BackendError(self._too_few(deck, len(deck.given) + len(new)))
                given[seed] = draw
        heads = [self._choose(recordings.draws[given[seed]], request.sampling) for seed in request.seeds]
        deck.given = given
        return deck, heads

    def charge(self, deck: Deck, num_samples: int) -> list[SampleUsage]:
        """Return what the prompt of a request costs each of its samples.

        It is computed for the first and shared by the others. That one pays what the first request for it paid
        when it was recorded; where there is a prefix cache, later ones the least that any sample ever paid.
        """
        recordings = deck.recordings
        first = recordings.later_prompt if deck.was_charged else recordings.first_prompt
        deck.was_charged = True
        return [first, *[recordings.shared_prompt] * (num_samples - 1)]

    def prompt_tokens(self, prompt: Prompt) -> int | None:
        """Return how many tokens a prompt had when samples of it were recorded; ``None``: unknown."""
        return self._lengths.get(prompt_digest(self._known(prompt)))

    @property
    def max_prompt_tokens(self) -> int:
        """The most tokens that a recorded prompt had; 0: unknown of all."""
        return max(self._lengths.values(), default=0)

    @cached_property
    def _lengths(self) -> Mapping[str, int]:
        lengths = dict[str, int]()
        for series in self._bank.series(self._model.fingerprint):
            counts = (h.usage.prompt_computed + h.usage.prompt_cached for h in self._bank.heads(series.key))
            if longest := max(counts, default=0):
                lengths[prompt_digest(series.prompt)] = longest
        return lengths

    # ── finding ───────────────────────────────────────────────────────────────────────────────────────────

    def recordings_of(self, prompt: Prompt, settings: Settings | None) -> Recordings:
        """Return all that was recorded of a prompt at these settings; of a plain pool's, at any.

        Raises:
            BackendError: there is nothing.
        """
        if self._model.is_imported:
            settings = None
        asked = (prompt, settings)
        if asked not in self._keys:
            known = self._known(prompt)
            key = series_key(self._model.fingerprint, prompt_digest(known), settings)
            if key not in self._recordings:
                self._recordings[key] = self._gather(key, known, settings)
            self._keys[asked] = key
        return self._recordings[self._keys[asked]]

    def fullest(self, prompt: Prompt) -> Recordings | None:
        """Return what was recorded of a prompt at the settings of which there are the most whole samples.

        ``None``: nothing.
        """
        known = self._known(prompt)
        found = self._bank.settings_of(self._model.fingerprint, known)
        if not found:
            return None
        settings, _ = max(found, key=lambda counted: counted[1])
        return self.recordings_of(prompt, settings)

    def _deck(self, request: Request) -> Deck:
        settings = None if self._model.is_imported else Settings.of(request.sampling)
        recordings = self.recordings_of(request.prompt, settings)
        if recordings.key not in self._decks:
            by_seed = recordings.by_seed if self._order is None else {}
            self._decks[recordings.key] = Deck(recordings, recordings.dealt(self._order), by_seed)
        return self._decks[recordings.key]

    def _gather(self, key: str, prompt: Prompt, settings: Settings | None) -> Recordings:
        heads = self._bank.heads(key)
        if not heads:
            raise BackendError(self._not_found(prompt, settings))
        draws = {draw: tuple(group) for draw, group in groupby(heads, key=lambda head: head.draw)}
        total = max(head.usage.prompt_computed + head.usage.prompt_cached for head in heads)
        paid = [head.usage.prompt_computed for head in heads if head.usage.prompt_computed] or [total]
        first = SampleUsage(prompt_computed=max(paid), prompt_cached=total - max(paid))
        cached = SampleUsage(prompt_computed=min(paid), prompt_cached=total - min(paid))
        return Recordings(
            key=key,
            draws=draws,
            is_greedy=settings is not None and settings.is_greedy,
            whole=[draw for draw, recordings in draws.items() if any(head.is_whole for head in recordings)],
            by_seed={head.seed: head.draw for head in reversed(heads) if head.seed is not None},
            first_prompt=first,
            later_prompt=cached if self._model.capabilities.prefix_cache else first,
            shared_prompt=SampleUsage(prompt_cached=total),
        )

    def _known(self, prompt: Prompt) -> Prompt:
        """Return the recorded prompt that is meant; in a plain pool a question or a problem's id names it."""
        if not self._model.is_imported:
            return prompt
        asked = prompt.question
        lines = asked.split("\n")
        beginnings = ("\n".join(lines[:end]) for end in range(len(lines), 0, -1))
        return next((self._asked[text] for text in beginnings if text in self._asked), prompt)

    @cached_property
    def _asked(self) -> Mapping[str, Prompt]:
        """The prompts of a plain pool by question, by benchmark and id, and by id alone where it is unique."""
        own = {series.prompt for series in self._bank.series(self._model.fingerprint)}
        problems = [problem for problem in self._bank.problems() if problem.prompt in own]
        ids = [problem.id for problem in problems]
        found = {problem.id: problem.prompt for problem in problems if ids.count(problem.id) == 1}
        found |= {f"{problem.benchmark}/{problem.id}": problem.prompt for problem in problems}
        return found | {prompt.question: prompt for prompt in own}

    def _best_greedy(self, recordings: Recordings, sampling: Sampling) -> SampleHead:
        return self._choose([head for heads in recordings.draws.values() for head in heads], sampling)

    def _choose(self, recordings: Sequence[SampleHead], sampling: Sampling) -> SampleHead:
        """Return the recording of a sample that has what is asked for.

        Raises:
            BackendError: none has the log-probabilities.
        """
        asked = NO_LOGPROBS if sampling.logprobs is None else sampling.logprobs
        fitting = [head for head in recordings if head.num_logprobs >= asked]
        if not fitting:
            most = max(head.num_logprobs for head in recordings)
            held = "without log-probabilities" if most == NO_LOGPROBS else f"with logprobs={most}"
            raise BackendError(
                f"{self._where} holds samples of this prompt {held}, and logprobs={asked} was asked for; "
                f"record it with logprobs={asked}."
            )
        return max(fitting, key=lambda head: (head.holds(sampling.max_tokens), head.usage.generated))

    # ── saying why not ────────────────────────────────────────────────────────────────────────────────────

    @property
    def _where(self) -> str:
        return f"the recording of {self._model.profile.name!r}"

    def _too_few(self, deck: Deck, num_asked: int) -> str:
        num_other = len(deck.recordings.draws) - len(deck.order)
        other = f" (and {num_other} that were stopped or failed)" if num_other else ""
        return (
            f"{self._where} holds {len(deck.order)} whole samples of this prompt{other}, and {num_asked} were "
            f"asked for; record more, or ask for at most {len(deck.order)}."
        )

    def _not_found(self, prompt: Prompt, settings: Settings | None) -> str:
        others = [
            f"{count} at {other}"
            for other, count in self._bank.settings_of(self._model.fingerprint, prompt)
            if other is not None and count
        ]
        if others and settings is not None:
            return (
                f"{self._where} holds 0 samples of this prompt at {settings}; it has {', '.join(others)}. "
                f"Ask for one of these, or record these settings."
            )
        asked = prompt.question
        shown = f", {asked[:80]!r}" if asked else ""
        return (
            f"{self._where} holds 0 samples of this prompt{shown}; record it, or ask what was recorded "
            f"(the prompt must be the same to the letter)."
        )
