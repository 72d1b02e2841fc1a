"""The evaluation config: its short forms, what it refuses, and its resolved form."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ttscale.budget import Budget
from ttscale.errors import ConfigError, ParameterError, UnknownPlugin
from ttscale_evals.config import EvalConfig
from ttscale_evals.plan import make_plan

COUNTDOWN = "countdown:min_numbers=3,max_numbers=3,size=4"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "eval.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_all_ways_to_write_a_plugin_mean_the_same(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """
benchmarks: [chain_sum]
strategies:
  - self_consistency:n=4
  - self_consistency: {n: 4}
  - {name: self_consistency, params: {n: 4}, label: mine}
""",
    )
    with pytest.raises(ConfigError, match="'self_consistency:n=4' is listed twice"):
        EvalConfig.load(path)
    text = path.read_text().replace(
        "self_consistency: {n: 4}", "{name: self_consistency, params: {n: 4}, label: b}"
    )
    entries = EvalConfig.load(write(tmp_path, text)).strategies
    assert [(entry.name, entry.params) for entry in entries] == [("self_consistency", {"n": 4})] * 3
    assert [entry.title for entry in entries] == ["self_consistency:n=4", "b", "mine"]


def test_budgets_are_text_or_a_mapping() -> None:
    for budget in ("tokens=4_000,seconds=2.5", {"tokens": 4000, "seconds": 2.5}):
        config = EvalConfig.load(None, {"benchmarks": ["chain_sum"], "budget": budget})
        assert config.budget == Budget(tokens=4000, seconds=2.5)
        assert config.plain()["budget"] == {"tokens": 4000, "seconds": 2.5}


def test_options_win_over_the_file_and_what_neither_says_has_its_default(tmp_path: Path) -> None:
    path = write(tmp_path, "model: hf:there\nbenchmarks: [chain_sum]\nseed: 3\n")
    config = EvalConfig.load(path, {"seed": 4, "limit": 7})
    assert (config.model, config.seed, config.limit, config.concurrency) == ("hf:there", 4, 7, 64)
    assert [entry.title for entry in config.strategies] == ["single"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("benchmarks: [chain_sum]\nstrategy: [single]\n", r"line 2 of .*eval\.yaml'.*'strategy'.*strategies"),
        ("seed: 1\nbenchmark: [chain_sum]\n", r"line 2 of .*the key 'benchmark' is unknown.*benchmarks"),
        ("benchmarks: [chain_sum]\n\nlimit: -1\n", r"line 3 of .*limit=-1.*greater than 0"),
        ("benchmarks: [chain_sum]\nseed: soon\n", r"line 2 of .*seed='soon'"),
        ("benchmarks:\n  - chain_sum\n  - {name: countdown, parms: {}}\n", r"line 3 of .*parms.*params"),
        ("benchmarks: []\n", r"line 1 of .*benchmarks"),
        ("seed: 1\n", r"'benchmarks' is missing.*--benchmark"),
        ("benchmarks: [chain_sum]\nbudget: {tokns: 4}\n", r"tokns"),
        ("benchmarks: [chain_sum]\nbudget: tokens=many\n", r"tokens.*'many'"),
        ("benchmarks: [chain_sum]\nsampling: {heat: 1}\n", r"'heat' is unknown.*temperature"),
        ("benchmarks: [chain_sum]\nmodel_options: {api_key: hush}\n", r"api_key_variable"),
        ("benchmarks: [chain_sum]\nseed: 1\nseed: 2\n", r"line 3 of .*'seed' is there twice"),
        ("benchmarks: [chain_sum\nseed: 1\n", r"line 2 of .*eval\.yaml.*not YAML"),
        ("- chain_sum\n", r"must hold keys and values"),
        ("", r"must hold keys and values"),
        ("benchmarks: [chain_sum, 'x:y']\n", r"'y' in 'x:y' is not key=value"),
    ],
)
def test_a_broken_config_file_names_line_key_and_mend(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        EvalConfig.load(write(tmp_path, text))
    assert "hush" not in str(caught.value)


def test_a_missing_config_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml"):
        EvalConfig.load(tmp_path / "nowhere.yaml")


def test_a_yaml_file_that_refers_to_itself_is_refused_and_not_followed_for_ever(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        EvalConfig.load(write(tmp_path, "benchmarks: &again [*again]\n"))


def test_a_mistake_in_an_option_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    path = write(tmp_path, "benchmarks: [chain_sum]\nlimit: 3\n")
    with pytest.raises(ConfigError, match=r"^limit='x' is wrong"):
        EvalConfig.load(path, {"limit": "x"})


def test_the_resolved_config_writes_out_every_default_and_reads_back_as_itself(tmp_path: Path) -> None:
    config = EvalConfig.load(
        None,
        {
            "benchmarks": [COUNTDOWN],
            "strategies": ["single", "best_of_n:n=4,verifier=reasoning_gym"],
            "limit": 2,
            "budget": "tokens=500",
            "sampling": {"temperature": 0.7},
            "out": "somewhere",
        },
    )
    resolved = make_plan(config).config
    path = write(tmp_path, yaml.safe_dump(resolved.plain()))
    again = EvalConfig.load(path)
    assert again == resolved
    assert make_plan(again).config == resolved
    assert [cell.keys for cell in make_plan(again).cells] == [cell.keys for cell in make_plan(config).cells]
    best = resolved.strategies[1]
    assert best.title == "best_of_n:n=4,verifier=reasoning_gym"
    assert (best.params["n"], best.params["temperature"], best.params["stop"]) == (4, 0.7, "decided")
    assert best.params["verifier"] == {"name": "reasoning_gym", "params": {"timeout_seconds": 5.0}}
    assert resolved.benchmarks[0].params["config"] == {"min_numbers": 3, "max_numbers": 3}
    assert resolved.sampling == {}
    assert resolved.out is None


def test_sampling_goes_to_strategies_that_do_not_set_it_themselves() -> None:
    config = EvalConfig.load(
        None,
        {
            "benchmarks": [COUNTDOWN],
            "strategies": ["single:temperature=0", "self_consistency:n=2"],
            "sampling": {"temperature": 0.7, "max_tokens": 9},
        },
    )
    params = [entry.params for entry in make_plan(config).config.strategies]
    assert [(p["temperature"], p["max_tokens"]) for p in params] == [(0.0, 9), (0.7, 9)]


def test_sampling_that_no_strategy_takes_is_refused() -> None:
    config = EvalConfig.load(None, {"benchmarks": [COUNTDOWN], "sampling": {"stop_token_ids": [1]}})
    with pytest.raises(
        ConfigError, match=r"none of the strategies \(single\) has a parameter 'stop_token_ids'"
    ):
        make_plan(config)


def test_a_relative_data_path_is_made_absolute_and_the_title_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "q.jsonl").write_text('{"question": "1?", "answer": "1"}\n')
    monkeypatch.chdir(tmp_path)
    resolved = make_plan(EvalConfig.load(None, {"benchmarks": ["jsonl:path=q.jsonl"]})).config
    assert resolved.benchmarks[0].params["path"] == str(tmp_path / "q.jsonl")
    assert resolved.benchmarks[0].title == "jsonl:path=q.jsonl"


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        ({"strategies": ["singel"]}, UnknownPlugin, "did you mean 'single'"),
        ({"strategies": ["single:tmperature=1"]}, ParameterError, "tmperature"),
        ({"strategies": ["self_consistency:n=many"]}, ParameterError, "n='many'"),
        ({"strategies": ["best_of_n:verifier=mth"]}, UnknownPlugin, "math"),
        ({"benchmarks": ["countdwn"]}, UnknownPlugin, "countdown"),
        ({"benchmarks": ["countdown:min_number=3"]}, ParameterError, "min_number"),
    ],
)
def test_wrong_names_and_parameters_are_found_while_planning(
    overrides: dict[str, object], error: type[ConfigError], message: str
) -> None:
    with pytest.raises(error, match=message):
        make_plan(EvalConfig.load(None, {"benchmarks": [COUNTDOWN], **overrides}))


def test_keys_differ_by_everything_that_determines_a_result_and_by_nothing_else() -> None:
    def keys(**changes: object) -> tuple[str, ...]:
        given = {"benchmarks": [COUNTDOWN], "strategies": ["self_consistency:n=2"], "limit": 2, **changes}
        (cell,) = make_plan(EvalConfig.load(None, given)).cells
        return tuple(cell.keys)

    same = [
        keys(),
        keys(concurrency=3),
        keys(total_budget="tokens=9"),
        keys(traces=False),
        keys(strategies=[{"name": "self_consistency", "params": {"n": 2}, "label": "other"}]),
        keys(limit=3)[:2],
    ]
    different = [
        keys(seed=1),
        keys(model="hf:abacus"),
        keys(model_options={"backend": "hf"}),
        keys(budget="tokens=9"),
        keys(sampling={"temperature": 0.5}),
        keys(strategies=["self_consistency:n=3"]),
        keys(strategies=["single"]),
        keys(benchmarks=[COUNTDOWN + ",seed=99"]),
        keys(benchmarks=[COUNTDOWN + ",instruction=Now."]),
    ]
    assert len(set(same)) == 1
    assert len({*same, *different}) == 1 + len(different)
    assert len({key for found in (same[0], *different) for key in found}) == 2 * (1 + len(different))
