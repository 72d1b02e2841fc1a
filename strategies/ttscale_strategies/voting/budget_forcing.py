"""Budget forcing: one thought, made longer or cut short to the length wanted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Final

from ttscale.answers import answer_key, extract_answer
from ttscale.errors import BudgetExhausted
from ttscale.run import Run
from ttscale.types import Candidate, Outcome, Problem, Prompt, Sample, Sampling, StopReason
from ttscale_strategies.checks import require_positive
from ttscale_strategies.voting.rules import ForcingStep, Thought, forcing_step

_TAIL_TOKENS: Final = 16


@dataclass(frozen=True, kw_only=True)
class BudgetForcing:
    """Have a model think on when it wants to stop, and answer when it has thought enough (s1).

    Muennighoff et al. 2025, arXiv:2501.19393. Where the model ends its thought, the end is taken back and
    `extension` put in its place, up to `num_extensions` times; a thought that reaches `max_thinking_tokens` is
    closed, and `final` asks for the answer. A model that does not think between delimiters thinks in all it
    writes: it is asked for the final answer only if it gave none.

    Cost: one call after the other, at most ``num_extensions + 2``, with at most ``max_thinking_tokens +
    max_answer_tokens`` generated tokens; each call's prompt is the one before and what came of it, which a
    prefix cache has, and a budget must pay for where there is none. All calls go on from the same token ids,
    the suppressed ends excepted, so the model sees its own thought unchanged. There is no `confidence`.

    Departures: the paper forbids an empty continuation, which not every engine can; here it is the last one. It
    asks with "Final Answer:" alone, to which anything may be an answer; here a box is begun, too.
    """

    num_extensions: int = 1
    """How often the end of the thought is overruled at most, >= 0; the paper tries 1 to 6."""
    max_thinking_tokens: int = 32_000
    """Generated tokens of all thoughts together, >= 1; fewer where the context leaves the answer no room."""
    min_thinking_tokens: int | None = None
    """Thoughts of so many tokens may end, >= 0; ``None``: an end is overruled however long the thought is."""
    max_answer_tokens: int = 1024
    """Most tokens of the answer behind the thought, >= 1."""
    extension: str = "Wait"
    """Makes the model think on; the paper also tries "Hmm" and "Alternatively"."""
    final: str = "**Final Answer**\n\\boxed{"
    """Asks for the answer, in a form that can be told from other words."""
    delimiters: tuple[str, str] | None = ("<think>", "</think>")
    """What begins and what ends a thought; ``null``: all that the model writes is a thought."""
    temperature: float | None = 0.0
    """The paper's; ``None``: the model's own."""

    needs: ClassVar[frozenset[str]] = frozenset({"token_ids", "stop_strings"})

    def __post_init__(self) -> None:
        require_positive(self.max_answer_tokens, "max_answer_tokens")
        forcing_step((), max_tokens=self.max_thinking_tokens, num_extensions=self.num_extensions)
        for name in ("extension", "final"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")
        if self.delimiters is not None and not all(self.delimiters):
            raise ValueError(f"delimiters must be two texts, or null; got {self.delimiters!r}")
        if self.min_thinking_tokens is not None and self.min_thinking_tokens < 0:
            raise ValueError(f"min_thinking_tokens must be >= 0, got {self.min_thinking_tokens!r}")
        Sampling(temperature=self.temperature)

    def max_samples(self) -> int:
        """Return 2 + num_extensions: every call draws one."""
        return self.num_extensions + 2

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Think and answer; where the budget ends or a call fails, the best answer so far counts."""
        chain = _Chain(run, problem.prompt)
        try:
            await self._think(chain)
            await self._answer(chain)
        except BudgetExhausted:
            if chain.last is None:
                raise
            return chain.outcome("budget")
        return chain.outcome("finished")

    async def _think(self, chain: _Chain) -> None:
        """Think until the rule says that it is enough, or a call fails."""
        thoughts, ends, limit = list[Thought](), self._ends(chain), self._most_thinking(chain)
        while (step := self._step(thoughts, limit)).action in ("think", "extend"):
            sampling = replace(ends, max_tokens=step.max_tokens, temperature=self.temperature)
            sample = await chain.go_on(self.extension if thoughts else "", sampling)
            if sample.is_error:
                return
            is_empty_extension = bool(thoughts) and not sample.text
            num_tokens = 0 if is_empty_extension else sample.num_tokens  # what ends a thought counts too
            thoughts.append(Thought(num_tokens, is_cut=sample.finish_reason == "length"))

    def _step(self, thoughts: Sequence[Thought], limit: int) -> ForcingStep:
        least, so_far = self.min_thinking_tokens, sum(thought.num_tokens for thought in thoughts)
        num_extensions = self.num_extensions if least is None or so_far < least else 0
        return forcing_step(thoughts, max_tokens=limit, num_extensions=num_extensions)

    async def _answer(self, chain: _Chain) -> None:
        """Have the answer written, unless it stands in the thought or a call has failed."""
        last = chain.last
        if last is None or last.is_error:
            return
        sampling = Sampling(temperature=self.temperature, max_tokens=self.max_answer_tokens)
        closing = self.delimiters[1] if self.delimiters else ""
        if last.finish_reason == "stop" and closing and chain.ended_with(closing):
            chain.begin_answer(closing)
            await chain.go_on("", sampling)
        elif last.finish_reason == "length" or chain.answer is None:
            asking = self._asking(is_thinking=chain.is_in(self.delimiters))
            chain.begin_answer()
            await chain.go_on(asking, sampling)

    def _asking(self, *, is_thinking: bool) -> str:
        """Return what closes a thought that was cut, and asks for the answer."""
        closing = f"\n{self.delimiters[1]}" if self.delimiters and is_thinking else ""
        return f"{closing}\n\n{self.final}"

    def _ends(self, chain: _Chain) -> Sampling:
        """Return what ends a thought: its delimiter's token, or its text where that is several tokens."""
        if self.delimiters is None:
            return Sampling()
        ids = chain.ids_of(self.delimiters[1])
        return Sampling(stop_token_ids=ids) if len(ids) == 1 else Sampling(stop=self.delimiters[1:])

    def _most_thinking(self, chain: _Chain) -> int:
        """Return how many tokens all thoughts may have: the context must hold what follows them, too."""
        if chain.room is None:
            return self.max_thinking_tokens
        asking = len(chain.ids_of(self._asking(is_thinking=True)))
        room = chain.room - asking - self.num_extensions * len(chain.ids_of(self.extension))
        return max(1, min(self.max_thinking_tokens, room - min(self.max_answer_tokens, room // 2)))


class _Chain:
    """One answer that grows call by call, each going on from the token ids of the one before."""

    def __init__(self, run: Run, prompt: Prompt) -> None:
        self._run = run
        self._prompt = run.append(prompt, "")
        self._answer_start = 0
        self.last: Sample | None = None
        """What the last call brought."""
        self.text = ""
        """All that the model wrote, and was made to write."""
        self.num_tokens = 0
        """Generated in all calls."""

    @property
    def room(self) -> int | None:
        """Tokens that the context leaves behind the prompt; ``None``: nobody knows."""
        context = self._run.profile.context_length
        return None if context is None else context - len(self._prompt.token_ids or ())

    @property
    def answer(self) -> str | None:
        """The answer; while there is none behind the thought, the last one in it."""
        return extract_answer(self.text[self._answer_start :]) or extract_answer(self.text)

    def ids_of(self, text: str) -> tuple[int, ...]:
        """Return the tokens that a text of our own has."""
        ids = self._run.append(self._prompt, text).token_ids or ()
        return ids[len(self._prompt.token_ids or ()) :]

    def is_in(self, delimiters: tuple[str, str] | None) -> bool:
        """Return whether a thought was opened, by the chat template or by the model."""
        before = self._run.decode((self._prompt.token_ids or ())[-_TAIL_TOKENS:])
        return delimiters is not None and delimiters[0] in before + self.text

    def ended_with(self, closing: str) -> bool:
        """Return whether it was this that ended the last call, and not an end token."""
        ids, closing_ids = self.last.token_ids if self.last else (), self.ids_of(closing)
        return ids[-len(closing_ids) :] == closing_ids or closing in self._run.decode(ids)

    def begin_answer(self, closing: str = "") -> None:
        """Note that what follows is the answer."""
        self.text += closing
        self._answer_start = len(self.text)

    async def go_on(self, then: str, sampling: Sampling) -> Sample:
        """Have the model write on, a text of our own first."""
        run = self._run
        if self.last is None:
            block = run.sample(self._prompt, sampling=sampling)
        else:
            block = run.extend(self.last, then=then, sampling=sampling)
        async with block as samples:
            self.last = await anext(samples)
        self.num_tokens += self.last.num_tokens
        if not self.last.is_error:
            self.text += then + self.last.text
            answer = self.answer
            run.best(answer, key=answer_key(answer), text=self.text)
        return self.last

    def outcome(self, stop_reason: StopReason) -> Outcome:
        """Return the answer so far; a call that failed is an error."""
        assert self.last is not None
        answer = self.answer
        candidate = Candidate(
            index=0,
            answer=answer,
            key=answer_key(answer),
            num_tokens=self.num_tokens,
            finish_reason=self.last.finish_reason,
        )
        return Outcome(
            answer=answer,
            key=candidate.key,
            text=self.text,
            candidates=(candidate,),
            stop_reason="error" if self.last.is_error else stop_reason,
            error=self.last.error,
        )
