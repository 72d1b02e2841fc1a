"""What all agents share: their options, how they open their tools, how they ask, and how they answer."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import ClassVar

from ttscale.answers import answer_key
from ttscale.registry import load_template
from ttscale.run import Run
from ttscale.tools import Toolbox, Tools
from ttscale.types import Candidate, Outcome, Prompt, Sample, Sampling, StopReason
from ttscale_strategies.checks import require_positive
from ttscale_strategies.dag._calls import Calls, tools_text
from ttscale_strategies.dag._journal import CallJournal
from ttscale_strategies.dag.joining import END_OF_RESPONSE, Verdict, answer_in, parse_verdict
from ttscale_strategies.revision import asked_again


@dataclass(frozen=True, kw_only=True)
class AgentOptions:
    """The options of every strategy that calls tools."""

    tools: Tools = ()
    """What may be called; none: the tools that come with the problem."""
    max_workers: int | None = None
    """Most calls at once, >= 1; ``None``: no limit."""
    timeout_seconds: float | None = None
    """Of one call, > 0; ``None``: what the tool itself allows. A late call is an error that is observed."""
    max_observation_characters: int = 4_000
    """Of one observation in a prompt, >= 1; a longer one loses its middle."""
    temperature: float | None = 0.0
    """0 as in the papers; ``None``: the model's own."""
    max_tokens: int | None = None
    """Most generated tokens per call of the model; ``None``: what the context leaves."""
    journal: str | None = None
    """Folder in which the results of calls are kept as they come: an agent that was killed, and is asked the
    same by the same seed, makes none of them again. Time-outs and lost connections are not kept."""

    needs: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        if self.max_workers is not None:
            require_positive(self.max_workers, "max_workers")
        if self.timeout_seconds is not None and not self.timeout_seconds > 0:
            raise ValueError(f"timeout_seconds must be > 0, got {self.timeout_seconds!r}")
        require_positive(self.max_observation_characters, "max_observation_characters")
        self.sampling()

    def sampling(self, *stop: str) -> Sampling:
        """Return how tokens are drawn."""
        return Sampling(temperature=self.temperature, max_tokens=self.max_tokens, stop=stop)

    async def open_calls(self, run: Run) -> Calls:
        """Return the strategy's tools, or those of the problem, ready to be called.

        Raises:
            ConfigError: a tool is not set up, or the journal cannot be used.
            ToolError: two tools have the same name.
        """
        box = await Toolbox.open(run, self.tools or run.tools)
        return Calls(run, box, journal=None if self.journal is None else self._journal(run, box, self.journal))

    def _journal(self, run: Run, box: Toolbox, folder: str) -> CallJournal:
        """Return the journal of this agent: its own by problem, seed, model, options and names of tools."""
        names = [each.name for each in fields(self) if each.name not in ("tools", "journal")]
        options = [type(self).__name__, *(repr(getattr(self, name)) for name in names)]
        seed, model = run.sample_seed(0), run.profile.name
        return CallJournal.of(folder, run.problem.id, seed, model, repr(run.path), options, box.names)


def require_prompt(template: str, *fields: str) -> None:
    """Refuse a template that lacks the question, or has other fields than these.

    Raises:
        ConfigError: there is no such template.
        ValueError: it has other fields.
    """
    found = load_template(template).fields
    if "question" not in found or set(found) - {"question", *fields}:
        expected = " and ".join(("question", *(f"maybe {field}" for field in fields)))
        raise ValueError(f"the template {template!r} needs the field {expected}, it has {found}")


def asked(template: str, run: Run, calls: Calls, **values: str) -> Prompt:
    """Return the prompt of a template about the run's problem; it is given those fields that it has."""
    known = load_template(template).fields
    given = {"tools": tools_text(calls.box), **values}
    return asked_again(template, run, **{name: value for name, value in given.items() if name in known})


def answered(
    answer: str | None, sample: Sample | None, *, text: str | None = None, stop_reason: StopReason = "finished"
) -> Outcome:
    """Return the outcome of an agent.

    Args:
        answer: its answer, if it has one.
        sample: the last one it drew.
        text: what is shown as the answer's text; by default the sample's.
        stop_reason: why it ended; with no answer, a failed sample makes it ``"error"``.
    """
    key = None if answer is None else answer_key(answer)
    if answer is None and sample is not None and sample.is_error:
        return Outcome(answer=None, stop_reason="error", error=sample.error)
    candidates: tuple[Candidate, ...] = ()
    if sample is not None:
        candidate = Candidate(
            index=sample.index,
            answer=answer,
            key=key,
            num_tokens=sample.num_tokens,
            finish_reason=sample.finish_reason,
        )
        candidates = (candidate,)
    shown = text if text is not None else (sample.text if sample is not None else None)
    return Outcome(answer=answer, key=key, text=shown, candidates=candidates, stop_reason=stop_reason)


async def joined_by(run: Run, prompt: Prompt, options: AgentOptions) -> tuple[Verdict, Sample]:
    """Have the model answer by its observations, or say that it cannot.

    Raises:
        BudgetExhausted: that does not fit the budget.
    """
    stop = (END_OF_RESPONSE,) if run.capabilities.stop_strings else ()
    async with run.sample(prompt, sampling=options.sampling(*stop)) as samples:
        sample = await anext(samples)
    verdict = parse_verdict("" if sample.is_error else sample.text)
    if verdict.action != "replan" and (answer := answer_in(verdict.text)) is not None:
        run.best(answer, text=sample.text)
    return verdict, sample
