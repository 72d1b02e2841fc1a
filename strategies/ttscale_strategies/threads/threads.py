"""Threads: a model that forks while it reasons, on any engine."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final, Literal

from ttscale.answers import answer_key, extract_answer
from ttscale.errors import BudgetExhausted, CapabilityError
from ttscale.run import Run
from ttscale.types import FinishReason, Outcome, Problem, Prompt, Sample, SampleUsage, Sampling, Timings
from ttscale.verifier import Verifier
from ttscale_strategies.checks import require_positive
from ttscale_strategies.revision import asked_again
from ttscale_strategies.threads.line import ContinueBy, Line
from ttscale_strategies.threads.machine import SequenceWriter
from ttscale_strategies.threads.protocol import JoinPolicy, Protocol, load_protocol
from ttscale_strategies.threads.reader import reader_of
from ttscale_strategies.threads.rules import CUT, Ended, Trace, Words, multiverse_parallelism
from ttscale_strategies.threads.written import Machine
from ttscale_strategies.voting.poll import Ballot, Poll
from ttscale_strategies.voting.rules import Election, is_vote_decided, majority


@dataclass(frozen=True, kw_only=True)
class Threads:
    r"""Let a model fork into threads and join them by a protocol; `n` of these side by side vote.

    One machine for APR (arXiv:2504.15466), ThreadWeaver (2512.07843), Multiverse (2506.09991), Native Parallel
    Reasoner, Parallel-R1 (2509.07980), ParaThinker (2509.04475), APAR (2401.06761), parallel decoding in one
    sequence (2503.20533), Skeleton-of-Thought (2307.15337), and `prompted`, for models that were never trained
    to fork. A sequence is drawn up to a lexeme, its branches run at once, each as far as the protocol says;
    joined in the order of their outlines, the text goes on. Where the engine takes token ids nothing that was
    written is tokenised again, so branches and joins find what is there in its prefix cache; a join computes
    the branches but the first once more. Without such a cache every join pays for the whole text: the cost is
    then quadratic in the number of forks.

    Cost: a root with F forks of B branches each takes F · (1 + B) + 1 calls, F more where results must not be
    made up, and with branches that fork, each B has as many again; the latency is that of the longest path,
    Σ (header + longest branch) + conclusion, in generated tokens. `confidence` is the winner's score, or its
    share of the roots that gave an answer.

    Departures: paths of Multiverse and ParaThinker are read again after a join where the originals merge their
    caches, so what is written there can differ. First finish and quorum are decided by the lengths of branches
    and not by the clock. Votes over several roots are ours; of ThreadWeaver's and APR's traps see
    docs/threads.md.
    """

    protocol: str | Protocol = "prompted"
    """Name of a built-in protocol, path of a YAML file, or a `Protocol`."""
    n: int = 1
    """Roots side by side, >= 1; as soon as the others can no longer change who wins, they are aborted."""
    join: Literal["protocol"] | JoinPolicy = "protocol"
    """Whom a join waits for, if not whom the protocol says."""
    quorum: int | None = None
    """Branches that ``join=quorum`` waits for, >= 1."""
    max_forks: int | None = None
    """Of one sequence, >= 1; ``None``: as the protocol says, as for all limits here."""
    max_branches: int | None = None
    """Of one fork, >= 1; where the protocol's headers name none, so many there are."""
    max_depth: int | None = None
    """Levels of branches, >= 1."""
    branch_tokens: int | None = None
    """Most generated tokens on the longest path of a branch, >= 1."""
    max_tokens: int | None = None
    """Most generated tokens on the longest path of a root, >= 1; branches get what is left of it."""
    temperature: float | None = None
    """Of roots; ``None``: the model's own."""
    branch_temperature: float | None = None
    """Of branches; ``None``: as roots."""
    verifier: Verifier | None = None
    """Scores roots that have ended, in place of a vote: the best-scored one answers, of equals the first. With
    the highest possible score of a root, and all before it ended, the others are aborted. Not one that reads
    log-probabilities."""
    continue_by: ContinueBy = "auto"
    """How an engine that takes no token ids goes on with a conversation."""

    needs: ClassVar[frozenset[str]] = frozenset({"stop_strings"})

    def __post_init__(self) -> None:
        for name in ("n", "quorum", "max_forks", "max_branches", "max_depth", "branch_tokens", "max_tokens"):
            if getattr(self, name) is not None:
                require_positive(getattr(self, name), name)
        for temperature in (self.temperature, self.branch_temperature):
            Sampling(temperature=temperature)
        if self.verifier is not None and {"logprobs", "max_top_logprobs"} & self.verifier.needs:
            raise ValueError("the verifier must not read log-probabilities: traces have none")
        if (self.quorum is None) != (self.join != "quorum"):
            raise ValueError("quorum goes with join=quorum, and only with it")
        self.resolved()

    def resolved(self) -> Protocol:
        """Return the protocol with what is set here in its place.

        Raises:
            ConfigError: there is no such protocol.
        """
        given = load_protocol(self.protocol)
        changes: dict[str, object] = {} if self.join == "protocol" else {"policy": self.join}
        names = ("quorum", "max_forks", "max_branches", "max_depth", "branch_tokens")
        changes |= {name: value for name in names if (value := getattr(self, name)) is not None}
        if self.max_branches is not None and not given.outline and not given.reader:
            changes["num_branches"] = 1 if given.join == "splice" else self.max_branches
        return replace(given, **changes)  # type: ignore[arg-type]  # names and types are checked by replace

    def max_samples(self) -> int:
        """Return n times the calls of a root that forks whenever it may, as widely as it may."""
        protocol = self.resolved()
        calls = num_calls(protocol)
        return self.n * max(calls, 2 if protocol.falls_back else 1)

    async def solve(self, problem: Problem, run: Run) -> Outcome:
        """Write the roots, and vote."""
        protocol = self.resolved()
        if (
            not run.capabilities.token_ids
            and protocol.fork == "stop"
            and not (protocol.outline or protocol.reader)
        ):
            raise CapabilityError(
                f"the protocol {protocol.name!r} forks at {protocol.fork_stop!r}, which the backend "
                f"{run.room.backend.name!r} cuts off without a word; it needs token_ids. Choose another "
                "model URI, or a protocol with outlines."
            )
        machine = Machine(
            protocol=protocol,
            reader=reader_of(protocol),
            continue_by=self.continue_by,
            temperature=self.temperature,
            branch_temperature=self.temperature if self.branch_temperature is None else self.branch_temperature,
        )
        return await _Roots(self, machine, run).outcome()


def num_calls(protocol: Protocol, depth: int = 0) -> int:
    """Return the most calls of a sequence and all below it.

    Args:
        protocol: with its limits.
        depth: of the sequence, 0 of a root.
    """
    if depth >= protocol.max_depth or (depth and protocol.fork != "stop"):
        return 1
    has_outlines = bool(protocol.outline or protocol.reader)
    width = protocol.max_branches if has_outlines else min(protocol.num_branches, protocol.max_branches)
    branches = width * num_calls(protocol, depth + 1)
    if protocol.is_one_shot:
        return (protocol.fork != "start") + branches + protocol.goes_on
    num_overruled = protocol.max_forks if protocol.instead else 0
    return protocol.max_forks * (1 + branches) + 1 + num_overruled


class _Chosen(Election):
    """A winner by score, which is how sure one is of it."""

    @property
    def share(self) -> float:
        """The score, in [0, 1]."""
        return self.total


def best_scored(ballots: Sequence[Ballot]) -> Election | None:
    """Elect the answer with the best score, of equals the first; without any score the most frequent one."""
    scored = [(ballot.measured, ballot.key) for ballot in ballots if ballot.key is not None]
    known = [(score, key) for score, key in scored if score is not None]
    if not known:
        found = majority([key for _, key in scored])
        return None if found is None else _Chosen(found.key, {found.key: 0.0})
    score, key = max(known, key=lambda one: one[0])
    return _Chosen(key, {key: score})


@dataclass(eq=False)
class _Roots:
    """Roots side by side, and what they vote for."""

    strategy: Threads
    machine: Machine
    run: Run
    traces: dict[int, Trace] = field(default_factory=dict[int, Trace])
    exhausted: BudgetExhausted | None = None
    is_decided: bool = False

    def __post_init__(self) -> None:
        if self.strategy.verifier is None:
            self.poll = Poll(self.run)
        else:
            self.poll = Poll(self.run, best_scored, measure=lambda sample: self._scores.get(sample.index))
        self._scores = dict[int, float | None]()
        self._one_by_one = asyncio.Lock()

    async def outcome(self) -> Outcome:
        """Write all of them, or as many as it takes.

        Raises:
            BudgetExhausted: the budget did not buy anything.
        """
        async with asyncio.TaskGroup() as group:
            self._tasks = [group.create_task(self._root(index)) for index in range(self.strategy.n)]
        if not self.poll.ballots and self.exhausted is not None:
            raise self.exhausted
        if self.exhausted is not None:
            self.poll.stop_reason = "budget"
        elif self.is_decided:
            self.poll.stop_reason = "decided"
        self._note()
        outcome = self.poll.outcome()
        texts = (trace.text for _, trace in sorted(self.traces.items()) if trace.ended != "error")
        return outcome if outcome.text is not None else outcome.with_(text=next(texts, None))

    async def _root(self, index: int) -> None:
        """Write one root."""
        async with self.run.child(label=f"root {index}", kind="thread", numbered=False) as run:
            line = Line.begin(run, self._asked(run), self.strategy.continue_by)
            writer = SequenceWriter(
                self.machine,
                run,
                line,
                limit=self.strategy.max_tokens,
                on_change=self._best,
            )
            trace = await writer.write()
            if self._is_in_vain(trace):
                trace = await self._plain(run, trace)
            run.note(
                number=str(index),
                depth=0,
                tokens=trace.num_generated,
                path_tokens=trace.num_sequential,
                parallelism=round(multiverse_parallelism(trace.num_generated, trace.num_sequential), 4),
                malformed=writer.num_malformed,
                ended=trace.ended,
                text=trace.text,
                error=trace.error,
            )
        if trace.ended == "budget":
            self.exhausted = self.exhausted or writer.exhausted
            if not trace.num_generated:
                return
        has_answer = self.machine.protocol.answers == "anyone" or writer.text.is_concluded
        await self._hear(index, trace, text=trace.text if has_answer else "")

    def _asked(self, run: Run) -> Prompt:
        template = self.machine.protocol.template
        return asked_again(template, run) if template else run.problem.prompt

    def _is_in_vain(self, trace: Trace) -> bool:
        """Whether a root neither forked nor answered: the way in which it was asked may have confused it."""
        falls_back = self.machine.protocol.falls_back and not trace.blocks
        return falls_back and trace.ended not in ("budget", "error") and extract_answer(trace.text) is None

    async def _plain(self, run: Run, trace: Trace) -> Trace:
        """Return what the model says to the bare problem, with the tokens that were spent before."""
        left = None if self.strategy.max_tokens is None else self.strategy.max_tokens - trace.num_sequential
        if left is not None and left < 1:
            return trace
        sampling = Sampling(temperature=self.strategy.temperature, max_tokens=left)
        try:
            async with run.sample(run.problem.prompt, sampling=sampling) as samples:
                sample = await anext(samples)
        except BudgetExhausted as error:
            self.exhausted = self.exhausted or error
            return replace(trace, ended="budget")
        ended: Ended = "error" if sample.is_error else "length" if sample.finish_reason == "length" else "end"
        words = Words("", trace.num_generated), Words(sample.text, sample.num_tokens)
        return Trace(words, ended, error=sample.error)

    # ── the vote ──────────────────────────────────────────────────────────────────────────────────────────

    def _best(self, trace: Trace) -> None:
        """Say the answer of a root that is still being written, while no other has one."""
        is_open = self.machine.protocol.answers == "anyone"
        if not is_open or any(ballot.key is not None for ballot in self.poll.ballots):
            return
        answer = extract_answer(trace.text)
        if answer is not None:
            self.run.best(answer, key=answer_key(answer), text=trace.text)

    async def _hear(self, index: int, trace: Trace, text: str) -> None:
        """Count the vote of a root, of what its text says, and call off those that cannot change who wins."""
        self.traces[index] = trace
        sample = Sample(
            index=index,
            text=text,
            token_ids=(),
            finish_reason=_FINISH.get(trace.ended, "stop"),
            usage=SampleUsage(generated=trace.num_generated),
            prompt=self.run.problem.prompt,
            seed=self.run.sample_seed(index),
            timings=Timings(submitted=self.run.now()),
            error=trace.error,
        )
        if self.strategy.verifier is not None and extract_answer(sample.text) is not None:
            try:
                (score,) = await self.run.score([sample], self.strategy.verifier)
                self._scores[index] = score.relative
            except BudgetExhausted as error:
                self.exhausted = self.exhausted or error
        async with self._one_by_one:
            await self.poll.add(sample)
        heard = {ballot.sample.index for ballot in self.poll.ballots}
        others = set(range(self.strategy.n)) - heard
        if others and not self.is_decided and self._is_settled(others):
            self.is_decided = True
            for other in others:
                self._tasks[other].cancel()

    def _is_settled(self, others: set[int]) -> bool:
        """Whether roots that have not ended cannot change the answer."""
        if self.strategy.verifier is None:
            return is_vote_decided({ballot.sample.index: ballot.key for ballot in self.poll.ballots}, others)
        first = min((index for index, score in self._scores.items() if score == 1.0), default=None)
        return first is not None and first < min(others)

    def _note(self) -> None:
        """Say what all roots took together."""
        traces = [self.traces[index] for index in sorted(self.traces)]
        self.run.note(
            protocol=self.machine.protocol.name,
            forks=sum(len(trace.blocks) for trace in traces),
            threads=sum(1 for trace in traces for _ in trace.branches()),
            cut_threads=sum(branch.body.ended in CUT for trace in traces for branch in trace.branches()),
            generated_tokens=sum(trace.num_generated for trace in traces),
            path_tokens=max((trace.num_sequential for trace in traces), default=0),
        )


_FINISH: Final[Mapping[Ended, FinishReason]] = {
    "length": "length",
    "capped": "length",
    "budget": "length",
    "error": "error",
}
