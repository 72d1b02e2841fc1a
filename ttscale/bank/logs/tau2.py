"""Results of tau2-bench: one ``results.json`` with tasks and simulations, or one beside a folder of these."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from ttscale.bank.logs.fields import Fields, load_json
from ttscale.bank.logs.sample import LoggedSample
from ttscale.bank.logs.usage import estimated
from ttscale.bank.logs.words import written_by_model
from ttscale.errors import DataError
from ttscale.types import FinishReason, SampleUsage

_FOLDER: Final = "simulations"
_CUT_SHORT: Final = ("max_steps", "timeout", "context_window_exceeded")
_FAILED: Final = ("infrastructure_error", "unexpected_error")
_ENDED: Final = ("user_stop", "agent_stop", "too_many_errors", "agent_error", "user_error")
"""Ends that the benchmark grades; an agent's own mistakes among them."""


def read_results(document: Fields, path: Path) -> Iterator[LoggedSample]:
    """Yield the simulations as samples of their tasks, by task and trial.

    A simulation that the infrastructure ended is a failed sample: the benchmark leaves it out of its numbers.
    Only what the agent spent and wrote counts, not the simulated user.

    Args:
        document: the results.
        path: where they are from; simulations that are not within lie beside it.

    Raises:
        DataError: something is damaged or missing; it is named.
    """
    info = document.inner("info")
    agent = info.inner("agent_info")
    model = agent.name("llm") if "llm" in agent else agent.name("implementation")
    domain = info.inner("environment_info").name("domain_name")
    tasks = {task.name("id"): task for task in document.objects("tasks")}
    order = {task: place for place, task in enumerate(tasks)}
    runs = _simulations(document, path)
    trials = _Trials()
    for run in sorted(runs, key=lambda run: (order.get(run.name("task_id"), -1), run.whole("trial") or 0)):
        task = tasks.get(run.name("task_id"))
        if task is None:
            wanted = run.name("task_id")
            raise DataError(f"{run.place} is of the task {wanted!r}, which is not among the log's tasks.")
        yield _read_run(run, task, trials.number(run), model=model, domain=domain)


def _simulations(document: Fields, path: Path) -> list[Fields]:
    within = [
        Fields.of(item, f"simulation {number} of {document.place}")
        for number, item in enumerate(document.items("simulations"), start=1)
    ]
    if within or "simulation_index" not in document:
        return within
    files = [
        path.parent / _FOLDER / f"{entry.name('id')}.json" for entry in document.objects("simulation_index")
    ]
    found = list[Fields]()
    for file in files:
        if file.parent != path.parent / _FOLDER:
            raise DataError(f"{document.place} names a simulation outside its folder: {str(file)!r}.")
        try:
            content = file.read_bytes()
        except OSError as error:
            raise DataError(f"the simulation {str(file)!r} cannot be read: {error.strerror}.") from error
        found.append(Fields.of(load_json(content, repr(str(file))), repr(str(file))))
    return found


class _Trials:
    """Numbers the simulations of each task, as they do themselves, or as they come."""

    def __init__(self) -> None:
        self._counts = dict[str, int]()

    def number(self, run: Fields) -> int:
        trial, task = run.whole("trial"), run.name("task_id")
        self._counts[task] = self._counts.get(task, -1) + 1
        return self._counts[task] if trial is None else trial


def _read_run(run: Fields, task: Fields, number: int, *, model: str, domain: str) -> LoggedSample:
    messages = run.objects("messages")
    if not messages and "ticks" in run:
        raise DataError(f"{run.place} is a voice simulation, without messages; only those in text are read.")
    text = written_by_model(messages)
    spent = [message.inner("usage") for message in messages if message.values.get("role") == "assistant"]
    counted = [usage for usage in spent if "completion_tokens" in usage]
    usage = SampleUsage(
        prompt_computed=sum(usage.whole("prompt_tokens") or 0 for usage in counted),
        generated=sum(usage.whole("completion_tokens") or 0 for usage in counted),
    )
    reason, error = _end(run)
    reward = run.inner("reward_info").number("reward") if "reward_info" in run else None
    return LoggedSample(
        place=run.place,
        model=model,
        benchmark=f"tau2/{domain}",
        problem=run.name("task_id"),
        number=number,
        question=_scenario(task),
        text=text,
        scores={} if reward is None else {"reward": reward},
        finish_reason=reason,
        error=error,
        usage=usage if counted else estimated(text),
        are_tokens_estimated=not counted and bool(text),
        total_seconds=run.number("duration"),
        usd=run.number("agent_cost"),
    )


def _end(run: Fields) -> tuple[FinishReason, str | None]:
    reason = run.text("termination_reason")
    if reason in _FAILED:
        said = run.inner("info").values.get("error")
        return "error", f"{reason}: {said}" if said else str(reason)
    if reason in _CUT_SHORT:
        return "length", None
    if reason not in _ENDED:
        known = ", ".join((*_ENDED, *_CUT_SHORT, *_FAILED))
        raise DataError(f"{run.place}: termination_reason={reason!r} is unknown; known are {known}.")
    return "stop", None


def _scenario(task: Fields) -> str | None:
    """Return what the user wants, as the simulated one was told it."""
    scenario = task.inner("user_scenario")
    told = scenario.values.get("instructions")
    if not isinstance(told, dict):
        return scenario.text("instructions")
    parts: Mapping[str, object] = scenario.inner("instructions").values
    return "\n".join(f"{name.replace('_', ' ')}: {part}" for name, part in parts.items() if part) or None
