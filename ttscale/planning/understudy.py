"""`Understudy`: a backend that answers as the model is known to, in lengths and agreement, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from ttscale.backends.base import (
    Backend,
    Capabilities,
    Generation,
    ModelProfile,
    PromptScore,
    Request,
    Rewards,
)
from ttscale.bank.playing import Play, Player
from ttscale.bank.sample import NO_LOGPROBS, RecordedSample, SampleHead
from ttscale.bank.take import take
from ttscale.planning.prefix_store import PrefixStore
from ttscale.planning.wording import Wording
from ttscale.planning.workload import Draw, Question, Workload
from ttscale.types import Prompt, SampleUsage, Sampling

_MAX_TOP_LOGPROBS: Final = 20
ABILITIES: Final = Capabilities(
    token_ids=True,
    logprobs=True,
    prompt_logprobs=True,
    max_top_logprobs=_MAX_TOP_LOGPROBS,
    seeds=True,
    stop_strings=True,
    stream=True,
    priority=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """How an understudy plays."""

    profile: ModelProfile
    seconds_per_token: float = 1.0
    """> 0."""
    prefix_block: int | None = None
    """Tokens of the blocks of its prefix cache; ``None``: it has none."""
    batch_size: int = 64
    is_reward_model: bool = False


class Understudy(Backend):
    """Plays a model on a virtual clock, from what is known of its answers.

    1. A question's samples are its draws in a random order; once all were dealt, their answers are dealt anew,
       with lengths that are spread about the question's as those of all questions are: the longest of many
       samples is longer than the longest of those that are known.
    2. An answer that is continued goes on as one of the draws does that had the same last step, or else as any
       that has so many steps. Behind a text that the model did not write comes the last step of a draw.
    3. Whatever else it is asked, it answers as it answers the question that is being worked on.
    4. How sure it is of its words, and how it grades others', is random.

    Attributes:
        place: of the question that is being worked on.
        num_foreign: prompts that were not a question of the workload, nor began with one.
        num_forced: continuations of texts that the model had not written.
        num_repeated: draws of which no more than the answer's likeness was known.
    """

    name = "understudy"

    def __init__(self, workload: Workload, cast: Cast, *, order: int) -> None:
        """Learn the part.

        Args:
            workload: the answers.
            cast: everything else.
            order: seed of all that is random.
        """
        self.profile = cast.profile
        self.batch_size = cast.batch_size
        self.capabilities = (
            Capabilities(rewards=True, token_ids=True, prompt_logprobs=True)
            if cast.is_reward_model
            else ABILITIES
        )
        self.wording = Wording(workload.questions)
        self.place = 0
        self.num_foreign = self.num_forced = self.num_repeated = 0
        self._questions = workload.questions
        self._spreads = workload.spreads if workload.are_draws_measured else ()
        self._most_tokens = workload.lengths[-1]
        self._cast = cast
        self._order = order
        self._player = Player()
        self._store = PrefixStore(cast.prefix_block) if cast.prefix_block else None
        self._decks = dict[int, list[Draw]]()
        self._dealt = dict[int, dict[int, int]]()

    # ── the contract ──────────────────────────────────────────────────────────────────────────────────────

    async def start(self) -> None:
        """Do nothing: there is nothing to load."""

    async def aclose(self) -> None:
        """Abort everything."""
        self._player.stop()

    def encode(self, prompt: Prompt) -> Prompt:
        """Return the prompt as tokens."""
        return prompt if prompt.token_ids is not None else Prompt(token_ids=self.wording.encode(prompt))

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of tokens."""
        return self.wording.text(token_ids)

    def generate(self, request: Request) -> Generation:
        """Play a request; its samples all start at once."""
        ids = self.wording.encode(request.prompt)
        plays = list[Play]()
        generation = Generation(len(request.seeds), partial(self._player.abort, plays))
        if self.profile.context_length is not None and len(ids) >= self.profile.context_length:
            generation.fail(f"a prompt of {len(ids)} tokens does not fit {self.profile.context_length}")
            return generation
        known = self._known(ids)
        # The samples of a request share a prompt that is computed once, or an engine's whole blocks of it.
        shared = len(ids) if self._store is None else self._store.num_known(ids)
        for index, seed in enumerate(request.seeds):
            sample = self._sample(ids, seed, request.sampling)
            computed = len(ids) - (known if index == 0 else shared)
            taken = take(
                sample,
                request.sampling,
                tokens_per_second=1 / self._cast.seconds_per_token,
                vocabulary=self.wording.texts,
            )
            usage = SampleUsage(prompt_computed=computed, prompt_cached=len(ids) - computed)
            plays.append(Play(index=index, request=request, generation=generation, take=taken, prompt=usage))
            if self._store is not None:
                self._store.add(ids + sample.token_ids[: taken.num_tokens])
        self._player.start(plays, streams=request.stream)
        return generation

    async def score_prompt(self, prompt: Prompt) -> PromptScore:
        """Say how likely a text is, at random."""
        ids = self.wording.encode(prompt)
        rng = self._rng("likelihood", *ids)
        logprobs = (None, *(-rng.random() for _ in ids[1:]))
        return PromptScore(token_ids=ids, logprobs=logprobs, usage=self._reading(ids))

    async def reward(self, prompt: Prompt, *, step_token: str | None = None) -> Rewards:
        """Grade a text, or each of its steps, at random."""
        ids = self.wording.encode(prompt)
        rng = self._rng("reward", *ids)
        num_steps = 1 if step_token is None else max(1, self.wording.text(ids).count(step_token))
        return Rewards(values=tuple(rng.random() for _ in range(num_steps)), usage=self._reading(ids))

    def _reading(self, ids: tuple[int, ...]) -> SampleUsage:
        known = self._known(ids)
        return SampleUsage(prompt_computed=len(ids) - known, prompt_cached=known)

    def _known(self, ids: tuple[int, ...]) -> int:
        if self._store is None:
            return 0
        known = self._store.num_known(ids)
        self._store.add(ids)
        return known

    # ── what it says ──────────────────────────────────────────────────────────────────────────────────────

    def _sample(self, ids: tuple[int, ...], seed: int, sampling: Sampling) -> RecordedSample:
        number = 0 if sampling.temperature == 0 else seed
        written, is_cut = self._reply(ids, number)
        token_ids, text, is_stopped = self._stopped(written, sampling.stop)
        rng, asked = self._rng("sure", number, len(ids)), sampling.logprobs
        logprob = -rng.random()
        top = None
        if asked:
            alternatives = {len(self.wording.texts) + k: logprob - 1.0 - k for k in range(asked - 1)}
            top = tuple({token_id: logprob, **alternatives} for token_id in token_ids)
        head = SampleHead(
            draw=0,
            num_logprobs=NO_LOGPROBS if asked is None else asked,
            finish_reason="length" if is_cut and not is_stopped else "stop",
            usage=SampleUsage(generated=len(token_ids)),
        )
        return RecordedSample(
            head=head,
            text=text,
            token_ids=token_ids,
            logprobs=None if asked is None else (logprob,) * len(token_ids),
            top_logprobs=top,
        )

    def _stopped(self, ids: Sequence[int], stop: Sequence[str]) -> tuple[tuple[int, ...], str, bool]:
        """Return a reply up to the first stop string, its text without it, and whether there was one."""
        text = self.wording.text(ids)
        found = min((at for word in stop if (at := text.find(word)) >= 0), default=-1)
        if found < 0:
            return tuple(ids), text, False
        word = next(word for word in stop if text.startswith(word, found))
        kept, length = list[int](), 0
        for token_id in ids:
            kept.append(token_id)
            length += len(self.wording.texts.get(token_id, ""))
            if length >= found + len(word):
                break
        return tuple(kept), text[:found], True

    def _reply(self, ids: tuple[int, ...], number: int) -> tuple[list[int], bool]:
        """Return the tokens of a whole reply, and whether the model was cut there."""
        place = self.wording.place_of(ids)
        if place is None:
            self.num_foreign += 1
            draw = self._rng("other", number, *ids).choice(self._questions[self.place].draws)
            return self.wording.answer(self.place, draw, draw.steps), draw.is_cut
        question, written = self._questions[place], self.wording.written(place, ids)
        has_begun = bool(written.marks) or written.begun is not None or written.is_ended
        if not has_begun:
            self.num_forced += written.is_foreign
            draw = self._deal(place, number)
            return self.wording.answer(place, draw, draw.steps), draw.is_cut
        rng = self._rng("further", number, *ids)
        if written.is_ended or written.is_foreign:
            self.num_forced += written.is_foreign
            draw = rng.choice(question.draws)
            return self.wording.answer(place, draw, draw.steps[-1:]), draw.is_cut
        if written.begun is not None:
            return self._finished(place, question, len(written.marks), written.begun, rng)
        draw = rng.choice(_like(question, written.marks))
        steps = draw.steps[len(written.marks) :] or draw.steps[-1:]
        return self.wording.answer(place, draw, steps), draw.is_cut

    def _finished(
        self, place: int, question: Question, depth: int, begun: tuple[int, int], rng: random.Random
    ) -> tuple[list[int], bool]:
        """Return the rest of an answer that was cut within a step."""
        mark, num_there = begun
        those = [draw for draw in question.draws if depth < len(draw.steps) and draw.steps[depth].mark == mark]
        draw = rng.choice(those or list(question.draws))
        return self.wording.answer(place, draw, draw.steps[depth if those else -1 :], num_there), draw.is_cut

    def _deal(self, place: int, number: int) -> Draw:
        """Return a draw of a question: the same for the same number, another for another."""
        if place not in self._decks:
            self._decks[place] = list(self._questions[place].draws)
            self._rng("deal", place).shuffle(self._decks[place])
        dealt, deck = self._dealt.setdefault(place, {}), self._decks[place]
        if number not in dealt:
            self.num_repeated += len(dealt) >= len(deck)
            dealt[number] = len(dealt)
        draw = deck[dealt[number] % len(deck)]
        return draw if dealt[number] < len(deck) else self._further(place, draw, dealt[number])

    def _further(self, place: int, draw: Draw, number: int) -> Draw:
        """Return a draw that is not known, in the likeness of one that is."""
        if not self._spreads or draw.is_cut:
            return draw
        spread = self._rng("spread", place, number).choice(self._spreads)
        return draw.scaled(min(self._most_tokens, round(self._questions[place].middle_tokens * spread)))

    def _rng(self, *what: str | int) -> random.Random:
        return random.Random(f"{self._order} {what}")


def _like(question: Question, marks: Sequence[int]) -> Sequence[Draw]:
    """Return the draws that may go on behind these steps, as alike as there are: at least one."""
    depth = len(marks)
    longer = [draw for draw in question.draws if len(draw.steps) > depth]
    same = [draw for draw in longer if draw.steps[depth - 1].mark == marks[-1]]
    return same or longer or question.draws
