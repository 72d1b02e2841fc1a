"""`Run`: the only thing a strategy is handed."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ttscale.budget import Amount, Budget, Reservation, Scope
from ttscale.errors import BudgetExhausted, VerifierError
from ttscale.run.appended import appended, extended
from ttscale.run.best import Best
from ttscale.run.block import PieceBlock, SampleBlock
from ttscale.run.budget_view import BudgetView
from ttscale.run.draw import WorstCase
from ttscale.run.given import read_given
from ttscale.run.sampling import resolved
from ttscale.run.seeds import derive_seed
from ttscale.run.tooling import call_tool
from ttscale.scheduling import Auction, Bidder, Workflow
from ttscale.trace import Span, Trace
from ttscale.trace.span import SpanKind
from ttscale.types import JSON, Bucket, Problem, Prompt, Sample, Sampling, Score, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from ttscale.backends.base import Capabilities, ModelProfile, PromptScore, Rewards
    from ttscale.run.room import Room
    from ttscale.tools import Tool, ToolResult
    from ttscale.verifier import Verifier
    from ttscale.workers import Workers


class Run:
    """One strategy at work on one problem: samples, scores, tools, children, all within its budget."""

    def __init__(
        self,
        room: Room,
        problem: Problem,
        scope: Scope,
        *,
        seed: int,
        order: int,
        trace: Trace,
        path: tuple[str, ...] = (),
        span: Span | None = None,
        bucket: Bucket = "strategy",
        critical_path_tokens: int = 0,
        critical_path_seconds: float = 0.0,
        auction: Auction | None = None,
        asked: tuple[Problem, ...] = (),
        tools: Sequence[Tool] = (),
        workflow: Workflow | None = None,
    ) -> None:
        """Made by `Engine.solve` and `child`, not by hand."""
        self.room = room
        self.problem = problem
        self.asked = asked if problem in asked[-1:] else (*asked, problem)
        """The problem in all its forms, as it came first and this run's own last: see `child`."""
        self.tools = tuple(tools)
        """What came with the problem, for strategies that were given no tools of their own."""
        self.budget = BudgetView(scope)
        self.order = order
        self.bucket: Bucket = bucket
        self.path = path
        self.trace = trace
        self.critical_path_tokens = critical_path_tokens
        """Generated tokens on the longest chain of work that what the strategy knows now depends on."""
        self.critical_path_seconds = critical_path_seconds
        """Seconds in engines and tools on the longest such chain."""
        self.answer_so_far = Best()
        self._scope = scope
        self._auction = auction or Auction()
        self._workflow = workflow
        self._seed = seed
        self._span = span
        self._indices = itertools.count()
        self._labels: dict[str, int] = {}
        self._shortest: int | None = None
        self.rng = random.Random(derive_seed(seed, problem.id, *path, "rng"))

    @property
    def capabilities(self) -> Capabilities:
        """What the model's backend can do."""
        return self.room.backend.capabilities

    @property
    def profile(self) -> ModelProfile:
        """What is known of the model."""
        return self.room.backend.profile

    @property
    def workers(self) -> Workers:
        """Separate processes for functions that are untrusted or block."""
        return self.room.workers

    # ── what strategies call ──────────────────────────────────────────────────────────────────────────────

    def sample(
        self,
        prompt: Prompt | str,
        *,
        n: int = 1,
        sampling: Sampling | None = None,
        window: int | None = None,
    ) -> SampleBlock:
        """Draw `n` samples of a prompt; ``async with`` the block, ``async for`` the samples as they finish.

        Sample indices go on from block to block within a run, and seeds follow from them: the same run draws
        the same samples whatever else the engine does.

        Args:
            prompt: what to sample; a string is what a user said.
            n: samples, >= 1.
            sampling: how tokens are drawn.
            window: most samples at work at once, >= 1: the next one begins when a finished one has been looked
                at and another is asked for, so whoever stops early has drawn no more. ``None``: all.

        Raises:
            ValueError: n or window < 1.
            BudgetExhausted: while iterating, when nothing more fits; everything drawn has been delivered.
        """
        if n < 1:
            raise ValueError(f"n must be >= 1, got {n!r}")
        if window is not None and window < 1:
            raise ValueError(f"window must be >= 1, got {window!r}")
        indices = list(itertools.islice(self._indices, n))
        encoded = self.encode(prompt)
        chosen = self.resolved(sampling, encoded)
        return SampleBlock(self, encoded, chosen, indices, stream=False, window=window)

    def stream(self, prompt: Prompt | str, *, sampling: Sampling | None = None) -> PieceBlock:
        """Draw one sample token by token; leaving the block early aborts it. Errors as `sample`."""
        index, encoded = next(self._indices), self.encode(prompt)
        return PieceBlock(self, encoded, self.resolved(sampling, encoded), [index], stream=True)

    def extend(
        self,
        sample: Sample,
        *,
        n: int = 1,
        then: str = "",
        stop: Sequence[str] = (),
        sampling: Sampling | None = None,
    ) -> SampleBlock:
        """Continue a sample from its token ids (its text, where the server takes no ids), `n` times.

        Args:
            sample: what to continue; only the new tokens are in the samples that come back.
            n: how many continuations.
            then: text that comes first, in place of the end token or stop string that ended the sample; see
                `append`.
            stop: strings that end a continuation, in place of those of `sampling`.
            sampling: how tokens are drawn.

        Raises:
            BackendError: the backend cannot turn `then` into tokens.
        """
        chosen = sampling or Sampling()
        if stop:
            chosen = replace(chosen, stop=tuple(stop))
        return self.sample(extended(sample, then, self.room.backend), n=n, sampling=chosen)

    def append(self, prompt: Prompt | str, text: str) -> Prompt:
        """Return a prompt that goes on with a text: where it is a conversation, with what the model says first.

        Where the backend takes token ids, those of the prompt stay as they are and the text's own follow. Put
        into the conversation instead, the text would pass through the chat template, and templates trim
        messages and leave thoughts out of them.

        Raises:
            BackendError: the backend cannot turn the text into tokens.
        """
        return appended(self.encode(prompt), text, self.room.backend)

    async def score(self, samples: Sequence[Sample], verifier: Verifier) -> list[Score]:
        """Have a verifier score samples, from this run's budget; one score a sample, in order.

        Raises:
            VerifierError: it returned another number of scores than samples.
        """
        name = type(verifier).__name__
        async with self.child(label=name, bucket="verifier", kind="score") as run:
            scores = await verifier.score(self.problem, samples, run)
            run.note(
                samples=[sample.index for sample in samples],
                values=[score.value for score in scores],
                reasons=[score.reason for score in scores],
            )
        if len(scores) != len(samples):
            raise VerifierError(f"{name} gave {len(scores)} scores for {len(samples)} samples")
        return scores

    async def reward(self, prompt: Prompt | str, *, step_token: str | None = None) -> Rewards:
        """Have a reward model grade a text; its prompt tokens count as the verifier's, whoever asks.

        Args:
            prompt: a conversation, graded as a whole; a string is what a user said.
            step_token: see `Backend.reward`.

        Raises:
            BackendError: the model is no reward model, or cannot grade this text.
            ParameterError: the step token is not what the model knows.
            BudgetExhausted: the text does not fit the budget.
        """
        encoded = self.encode(prompt)
        read = partial(self.room.backend.reward, encoded, step_token=step_token)
        rewards, span = await read_given(self, self._scope, "reward", encoded, read)
        span.attributes["values"] = list(rewards.values)
        return rewards

    async def score_prompt(self, prompt: Prompt | str) -> PromptScore:
        """Return the log-probability of each token of a given text; its tokens count as the verifier's.

        Args:
            prompt: a conversation, read as a whole; a string is what a user said.

        Raises:
            BackendError: the model cannot tell, or cannot read this text.
            BudgetExhausted: the text does not fit the budget.
        """
        encoded = self.encode(prompt)
        read = partial(self.room.backend.score_prompt, encoded)
        score, _ = await read_given(self, self._scope, "likelihood", encoded, read, most_generated=1)
        return score

    async def recall(self, usage: Usage, *, samples: int = 1) -> None:
        """Charge what an earlier process has spent on work that is taken over from it, as reused.

        Args:
            usage: of the work.
            samples: of the strategy's own in it.

        Raises:
            BudgetExhausted: it does not fit the budget.
        """
        spent = Amount(samples=samples, tokens=usage.tokens, flops=usage.flops or 0.0, usd=usage.usd or 0.0)
        reservation = await self._scope.reserve(lambda _: spent, 1)
        reservation.commit(replace(usage, reused=usage.tokens))

    async def call(self, tool: Tool, /, **arguments: JSON) -> ToolResult:
        """Call a tool; its failure is a result, not an exception.

        Raises:
            BudgetExhausted: no tool call, or too few dollars for it, are left in the budget.
        """
        return await call_tool(self, self._scope, tool, arguments)

    @asynccontextmanager
    async def child(
        self,
        *,
        label: str,
        problem: Problem | None = None,
        model: str | None = None,
        budget: Budget | None = None,
        bucket: Bucket | None = None,
        kind: SpanKind = "child",
        numbered: bool = True,
    ) -> AsyncGenerator[Run]:
        """Open a nested run with its own scope in ledger, trace and seeds; what it spends counts here too.

        Args:
            label: names it.
            problem: what it is asked, and its verifiers are shown: this run's in another form, by default as it
                is. A strategy that is to answer in another form is handed both, that problem and this run.
            model: whose samples or rewards it gets, by URI or by the name the engine knows it by, started if it
                has not been; as this run by default. Name it in the plugin's `models`, and it is started and
                looked at before anything is spent.
            budget: its own limits, beside all limits above.
            bucket: who its samples are booked to; as this run by default.
            kind: of its span.
            numbered: whether repeated labels are numbered, so that each child draws other samples; otherwise a
                repeated label draws the same ones again.

        Raises:
            BudgetExhausted: its seconds ran out inside the block.
            ConfigError: the model does not start.
        """
        room = self.room if model is None else await self.room.rooms.open(model)
        name = label
        if numbered:
            number = self._labels.get(label, 0)
            self._labels[label] = number + 1
            name = f"{label}#{number}"
        span = self.open_span(kind, label, **({} if model is None else {"model": model}))
        run = Run(
            room,
            problem or self.problem,
            self._scope.child(budget, label=label),
            seed=self._seed,
            order=self.order,
            trace=self.trace,
            path=(*self.path, name),
            span=span,
            bucket=bucket or self.bucket,
            critical_path_tokens=self.critical_path_tokens,
            critical_path_seconds=self.critical_path_seconds,
            auction=self._auction,
            asked=self.asked,
            tools=self.tools,
            workflow=self._workflow,
        )
        seconds = budget.seconds if budget else None
        deadline = asyncio.timeout(seconds)
        try:
            async with deadline:
                yield run
        except TimeoutError:
            if not deadline.expired():
                raise
            raise BudgetExhausted("seconds", seconds or 0.0, 0.0, 0.0, label) from None
        finally:
            self.advance(run.critical_path_tokens, run.critical_path_seconds)
            self.trace.close(span)

    def bidder(self) -> Bidder:
        """Bid for turns against the runs that share a budget with this one; without one every bid wins at once.

        ``async with run.bidder() as bidder``, then ``await bidder.claim(value)`` before each draw: the run to
        which its next samples are worth most has the next turn. See `ttscale.scheduling.allocation`.
        """
        return self._auction.bidder(self.order)

    def wanted_within(self, seconds: float, *, stages: Sequence[float | None] = (None,)) -> Workflow:
        """Say within which time from now this run is to end: its samples then wait by how urgent they are.

        It holds for what is drawn from now on, by this run and the children that it opens from now on. Nothing
        is cut off: for that there is `Budget.seconds`. Without it, samples wait in order of their questions.

        Args:
            seconds: > 0.
            stages: estimated seconds of its stages, one after the other, each > 0; ``None``: unknown. Call
                `Workflow.advance` on what comes back as each one ends.

        Raises:
            ValueError: a number is out of its range.
        """
        self._workflow = Workflow(seconds, stages, began=self.now())
        return self._workflow

    def best(
        self,
        answer: Sample | str | None,
        *,
        key: str | None = None,
        confidence: float | None = None,
        text: str | None = None,
    ) -> None:
        """Say the best answer so far: what comes back if the budget ends now. The last call counts."""
        if isinstance(answer, Sample):
            text = answer.text
            answer = text
        self.answer_so_far = Best(answer=answer, key=key, confidence=confidence, text=text)

    def note(self, **attributes: JSON) -> None:
        """Add attributes to this run's span in the trace."""
        if self._span is not None:
            self._span.attributes.update(attributes)

    def encode(self, prompt: Prompt | str) -> Prompt:
        """Return a prompt as token ids of this run's model; unchanged where only its server can."""
        return self.room.backend.encode(Prompt.user(prompt) if isinstance(prompt, str) else prompt)

    def decode(self, token_ids: Sequence[int]) -> str:
        """Return the text of token ids of this run's model; empty where only its server can."""
        return self.room.backend.decode(token_ids)

    # ── what blocks call ──────────────────────────────────────────────────────────────────────────────────

    def now(self) -> float:
        """Return the time of the event loop's clock, in seconds."""
        return asyncio.get_running_loop().time()

    def sample_seed(self, index: int) -> int:
        """Return the seed of this run's sample `index`."""
        return derive_seed(self._seed, self.problem.id, *self.path, index)

    def start_by(self) -> float | None:
        """Return when a sample that is drawn now must begin; ``None``: whenever its turn comes."""
        return None if self._workflow is None else self._workflow.start_by(self.now())

    def advance(self, critical_path_tokens: int, critical_path_seconds: float) -> None:
        """Note that the strategy now knows what took so many tokens, and so many seconds, one after another."""
        self.critical_path_tokens = max(self.critical_path_tokens, critical_path_tokens)
        self.critical_path_seconds = max(self.critical_path_seconds, critical_path_seconds)

    def note_length(self, num_tokens: int) -> None:
        """Remember the shortest sample that ended on its own: less budget is not worth starting on."""
        self._shortest = num_tokens if self._shortest is None else min(self._shortest, num_tokens)

    def try_reserve_sample(self, prompt: Prompt, sampling: Sampling) -> Reservation | None:
        """Reserve the worst case of one sample now, or ``None`` to wait; see `Scope.try_reserve`."""
        return self._scope.try_reserve(*self._claim(prompt, sampling))

    async def reserve_sample(self, prompt: Prompt, sampling: Sampling) -> Reservation:
        """Reserve the worst case of one sample, waiting for others to settle; see `Scope.reserve`."""
        return await self._scope.reserve(*self._claim(prompt, sampling))

    def _claim(self, prompt: Prompt, sampling: Sampling) -> tuple[WorstCase, int, int]:
        most = sampling.max_tokens or 1
        price = WorstCase(self.room.cost, self.room.backend.count_tokens(prompt), self.bucket)
        return price, most, max(1, min(most, self._shortest or 1))

    def resolved(self, sampling: Sampling | None, prompt: Prompt) -> Sampling:
        """Return the sampling with the model's defaults filled in, and the room its context leaves."""
        return resolved(sampling or Sampling(), prompt, self.room.backend)

    def open_span(self, kind: SpanKind, name: str, **attributes: JSON) -> Span:
        """Begin a span below this run's."""
        return self.trace.open(kind, name, parent=self._span.id if self._span else None, **attributes)
