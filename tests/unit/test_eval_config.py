"""The evaluation config: its short forms, what it refuses, and its resolved form."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
import yaml

from ttscale.budget import Budget
from ttscale.errors import ConfigError, ParameterError, UnknownPlugin
from ttscale_evals.config import EvalConfig, budget_text
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
        assert config.budgets == (Budget(tokens=4000, seconds=2.5),)
        assert config.plain()["budget"] == {"tokens": 4000, "seconds": 2.5}


def test_several_models_and_budgets_or_the_short_form_for_one() -> None:
    def load(**given: object) -> EvalConfig:
        return EvalConfig.load(None, {"benchmarks": ["chain_sum"], **given})

    one = load(model="hf:x", model_options={"dtype": "bfloat16"}, budget="tokens=9")
    assert one == load(models=[{"model": "hf:x", "options": {"dtype": "bfloat16"}}], budgets=["tokens=9"])
    assert (one.plain()["model"], one.plain()["budget"]) == ("hf:x", {"tokens": 9})
    several = load(models=["abacus", {"model": "abacus", "label": "hf", "options": {"backend": "hf"}}])
    assert [model.title for model in several.models] == ["abacus", "hf"]
    assert load(budgets=[None, {"seconds": 2.5}]).budgets == (None, Budget(seconds=2.5))
    assert EvalConfig.load(None, several.plain()) == several
    assert [
        budget_text(budget) for budget in load(budgets=["flops=1e12,tokens=1_234_567", "none"]).budgets
    ] == [
        "tokens=1234567,flops=1e+12",
        "",
    ]


def test_a_model_option_takes_the_place_of_the_files_models(tmp_path: Path) -> None:
    path = write(tmp_path, "models: [hf:a, hf:b]\nbudgets: [tokens=1, tokens=2]\nbenchmarks: [chain_sum]\n")
    config = EvalConfig.load(path, {"model": "hf:c", "budget": "tokens=3"})
    assert ([m.model for m in config.models], config.budgets) == (["hf:c"], (Budget(tokens=3),))
    path = write(tmp_path, "model: hf:a\nbudget: tokens=1\nrecord: b\nreuse: true\nbenchmarks: [chain_sum]\n")
    config = EvalConfig.load(path, {"models": ["hf:b", "hf:c"], "budgets": ["none", "tokens=3"], "replay": "x"})
    assert (len(config.models), len(config.budgets), config.record, config.reuse) == (2, 2, None, False)


def test_two_labels_of_one_thing_are_refused_since_their_results_would_be_the_same() -> None:
    twice = [{"name": "single", "label": "a"}, {"name": "single", "label": "b"}]
    with pytest.raises(ConfigError, match="'a' and 'b' are the same under two labels"):
        make_plan(EvalConfig.load(None, {"benchmarks": [COUNTDOWN], "strategies": twice}))


def test_every_benchmark_meets_every_model_budget_and_strategy_in_this_order() -> None:
    given = {
        "benchmarks": [COUNTDOWN, "chain_sum"],
        "models": ["abacus", "abacus-s"],
        "budgets": ["none", "tokens=9"],
        "strategies": ["single", "self_consistency:n=2"],
        "limit": 1,
    }
    cells = make_plan(EvalConfig.load(None, given)).cells
    found = [(c.benchmark_title, c.model.title, budget_text(c.budget), c.strategy_title) for c in cells]
    assert found == list(
        product(
            [COUNTDOWN, "chain_sum"],
            ["abacus", "abacus-s"],
            ["", "tokens=9"],
            ["single", "self_consistency:n=2"],
        )
    )
    assert [cell.number for cell in cells] == list(range(16))
    assert len({key for cell in cells for key in cell.keys}) == 16


def test_the_keys_of_a_run_with_one_model_are_those_of_versions_that_knew_no_more() -> None:
    given = {
        "benchmarks": ["chain_sum:min_terms=2,max_terms=2"],
        "strategies": ["single", "self_consistency:n=2"],
        "limit": 2,
        "budget": "tokens=500",
        "model_options": {"backend": "hf"},
    }
    cells = make_plan(EvalConfig.load(None, given)).cells
    assert [key for cell in cells for key in cell.keys] == [
        "6b1c571e577f6e08d489ea4221aa4830",
        "d01e9a08debb5c48319176dfb8515883",
        "e7184dfeabc91c6ee248f926acc129ff",
        "da6b14fcab8fc7c9842efc19697018ed",
    ]


@pytest.mark.parametrize("name", ["smoke", "reference", "agent", "math", "demo"])
def test_the_configs_that_come_along_can_be_planned(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Path(__file__).parents[2]
    copies = {
        "gsm8k": "gsm8k_sample",
        "math500": "math500_sample",
        "aime24": "aime24_schema",
        "aime25": "aime25_schema",
    }
    config = EvalConfig.load(folder / "configs" / f"{name}.yaml", {"limit": 2})
    local = [
        {
            "name": b.name,
            "params": {**b.params, "path": str(folder / "tests" / "data" / f"{copies[b.name]}.jsonl")},
        }
        if b.name in copies
        else b
        for b in config.benchmarks
    ]
    plan = make_plan(EvalConfig.load(folder / "configs" / f"{name}.yaml", {"limit": 2, "benchmarks": local}))
    assert len(plan.cells) == len(config.benchmarks) * len(config.models) * len(config.strategies)
    assert all(cell.problems for cell in plan.cells)


def test_options_win_over_the_file_and_what_neither_says_has_its_default(tmp_path: Path) -> None:
    path = write(tmp_path, "model: hf:there\nbenchmarks: [chain_sum]\nseed: 3\n")
    config = EvalConfig.load(path, {"seed": 4, "limit": 7})
    assert (config.models[0].model, config.seed, config.limit, config.concurrency) == ("hf:there", 4, 7, 64)
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
        ("benchmarks: [chain_sum]\nmodel: hf:a\nmodels: [hf:b]\n", r"models and model are given"),
        ("benchmarks: [chain_sum]\nbudgets: [tokens=1]\nbudget: tokens=2\n", r"budgets and budget are given"),
        ("benchmarks: [chain_sum]\nmodels: [hf:a, hf:a]\n", r"models: 'hf:a' is listed twice.*another label"),
        (
            "benchmarks: [chain_sum]\nbudgets: [none, '']\n",
            r"budgets: 'none' is listed twice; leave one out\.$",
        ),
        ("benchmarks: [chain_sum]\nmodels:\n  - {modle: hf:a}\n", r"line 3 of .*models\.0\.modle.*options"),
        ("benchmarks: [chain_sum]\nmodel: 3\n", r"line 2 of .*model=3 is wrong"),
        ("benchmarks: [chain_sum]\nmodel_options: [3]\n", r"line 2 of .*model_options=\[3\] is wrong"),
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
        keys(models=["abacus"]),
        keys(models=[{"model": "abacus", "label": "ours"}]),
        keys(budgets=["none"]),
        keys(turns=True),
    ]
    different = [
        keys(seed=1),
        keys(model="hf:abacus"),
        keys(model_options={"backend": "hf"}),
        keys(budget="tokens=9"),
        keys(replay="bank.sqlite"),
        keys(sampling={"temperature": 0.5}),
        keys(strategies=["self_consistency:n=3"]),
        keys(strategies=["single"]),
        keys(benchmarks=[COUNTDOWN + ",seed=99"]),
        keys(benchmarks=[COUNTDOWN + ",instruction=Now."]),
    ]
    assert len(set(same)) == 1
    assert len({*same, *different}) == 1 + len(different)
    assert len({key for found in (same[0], *different) for key in found}) == 2 * (1 + len(different))
