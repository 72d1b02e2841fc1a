"""Results of tau2-bench are read: a trial a sample, the agent's part of the talk, its reward as it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ttscale.bank import Columns, open_pool, summarise
from ttscale.bank.logs import LoggedSample, read_log
from ttscale.errors import ConfigError, DataError


def run(task: str = "1", trial: int | None = 0, reward: float | None = 1.0, **changes: Any) -> dict[str, Any]:
    said: list[dict[str, Any]] = [
        {"role": "assistant", "content": "How can I help?", "usage": None},
        {"role": "user", "content": "My flight!", "usage": {"completion_tokens": 99, "prompt_tokens": 99}},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "name": "find", "arguments": {"flight": 3}, "requestor": "assistant"}],
            "usage": {"completion_tokens": 7, "prompt_tokens": 50},
        },
        {"role": "tool", "id": "c", "content": "late"},
        {"role": "assistant", "content": "Late.", "usage": {"completion_tokens": 3, "prompt_tokens": 60}},
    ]
    return {
        "id": f"{task}-{trial}",
        "task_id": task,
        "trial": trial,
        "duration": 12.5,
        "termination_reason": "user_stop",
        "agent_cost": 0.25,
        "user_cost": 0.5,
        "reward_info": None if reward is None else {"reward": reward},
        "messages": said,
        **changes,
    }


def results(*runs: dict[str, Any], **changes: Any) -> dict[str, Any]:
    wants = {"domain": "airline", "reason_for_call": "A late flight.", "unknown_info": None}
    return {
        "timestamp": "2026-01-01",
        "info": {
            "num_trials": 2,
            "agent_info": {"implementation": "llm_agent", "llm": "me/agent"},
            "user_info": {"implementation": "user", "llm": "other/user"},
            "environment_info": {"domain_name": "airline", "policy": "Be kind."},
        },
        "tasks": [
            {"id": "1", "user_scenario": {"instructions": wants}},
            {"id": "0", "user_scenario": {"instructions": "Cancel it."}},
        ],
        "simulations": list(runs),
        **changes,
    }


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def only(path: Path) -> LoggedSample:
    (one,) = read_log(path)
    return one


def test_everything_a_simulation_says_is_read(tmp_path: Path) -> None:
    one = only(write(tmp_path / "results.json", results(run())))
    assert (one.model, one.benchmark, one.problem, one.number) == ("me/agent", "tau2/airline", "1", 0)
    assert one.question == "domain: airline\nreason for call: A late flight."
    assert one.text == 'How can I help?\n\nfind({"flight": 3})\n\nLate.'
    assert (one.usage.prompt_computed, one.usage.generated, one.seconds, one.usd) == (110, 10, 12.5, 0.25)
    assert (one.scores, one.is_right, one.answer, one.target) == ({"reward": 1.0}, True, None, None)


def test_trials_are_samples_of_one_task_in_their_order(tmp_path: Path) -> None:
    document = results(run("0", 1), run("1", 1), run("0", 0), run("1", 0, 0.5))
    path = write(tmp_path / "results.json", document)
    found = list(read_log(path))
    assert [(one.problem, one.number) for one in found] == [("1", 0), ("1", 1), ("0", 0), ("0", 1)]
    assert (found[0].score, found[0].is_right, found[2].question) == (0.5, None, "Cancel it.")
    notes = list[str]()
    with open_pool(path, listener=notes.append) as bank:
        (model,) = summarise(bank)
        assert [[one.head.draw for one in bank.samples(series.key)] for series in bank.series()] == [[0, 1]] * 2
    assert (model.num_problems, model.groups[0].num_timed) == (2, 4)
    assert "3 right, 1 in between" in notes[1]


def test_trials_without_numbers_are_numbered_as_they_come(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", results(run(trial=None), run(trial=None, reward=0)))
    assert [(one.number, one.is_right) for one in read_log(path)] == [(0, True), (1, False)]


@pytest.mark.parametrize(
    ("reason", "finish", "error"),
    [
        ("agent_stop", "stop", None),
        ("too_many_errors", "stop", None),
        ("max_steps", "length", None),
        ("infrastructure_error", "error", "infrastructure_error: no line"),
        ("unexpected_error", "error", "unexpected_error: no line"),
    ],
)
def test_ends_are_told_apart(reason: str, finish: str, error: str | None, tmp_path: Path) -> None:
    ended = run(termination_reason=reason, info={"error": "no line"}, reward=None, messages=[])
    one = only(write(tmp_path / "results.json", results(ended)))
    assert (one.finish_reason, one.error, one.text, one.score) == (finish, error, None, None)


def test_a_failed_simulation_is_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "r.json", results(run(), run(trial=1, termination_reason="infrastructure_error")))
    with open_pool(path) as bank:
        (model,) = summarise(bank)
    assert (model.groups[0].num_whole, model.groups[0].num_failed) == (1, 1)


def test_simulations_that_lie_beside_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "simulations"
    folder.mkdir()
    write(folder / "1-0.json", run())
    document = results(simulation_index=[{"id": "1-0", "task_id": "1", "trial": 0}])
    del document["simulations"]
    path = write(tmp_path / "results.json", document)
    assert only(path).usage.generated == 10
    document["simulation_index"].append({"id": "gone", "task_id": "1", "trial": 1})
    with pytest.raises(DataError, match=r"gone.json' cannot be read: No such file"):
        list(read_log(write(path, document)))
    document["simulation_index"][1]["id"] = "../secret"
    with pytest.raises(DataError, match="names a simulation outside its folder"):
        list(read_log(write(path, document)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task_id": "9"}, r"simulation 2 of .*results.json' is of the task '9', which is not among"),
        ({"termination_reason": "bored"}, "termination_reason='bored' is unknown; known are user_stop"),
        ({"messages": None, "ticks": []}, "is a voice simulation, without messages"),
        ({"duration": "long"}, "duration='long' is not a number >= 0"),
        ({"reward_info": {"reward": "high"}}, "reward='high' is not a number >= 0"),
        ({"messages": [3]}, "an item of 'messages' in simulation 2 of .* must be an object"),
        ({"trial": 0}, "is sample 0 of problem 'tau2/airline/1'"),
    ],
)
def test_a_damaged_simulation_is_named(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = write(tmp_path / "results.json", results(run(), {**run(trial=1), **changes}))
    with pytest.raises(DataError, match=message):
        open_pool(path)


def test_there_are_no_answers_to_choose(tmp_path: Path) -> None:
    path = write(tmp_path / "results.json", results(run()))
    with pytest.raises(ConfigError, match="of tau2-bench, which takes no answers"):
        open_pool(path, columns=Columns(prediction="reward"))
