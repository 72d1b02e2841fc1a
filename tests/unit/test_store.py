"""The run's directory and its database."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from ttscale.errors import ConfigError
from ttscale.types import JSON, Candidate, Outcome, Usage
from ttscale_evals.benchmarks import Grade
from ttscale_evals.config import EvalConfig
from ttscale_evals.plan import make_plan
from ttscale_evals.store import Result, ResultStore, RunDirectory, StoredCell
from ttscale_evals.store.differences import differences

CELL = StoredCell(number=0, benchmark="sums", strategy="single", num_problems=3, fingerprint="f")
TRACE: tuple[Mapping[str, JSON], ...] = (
    {"id": 0, "kind": "solve", "attributes": {"text": "half a pair \ud83d and a zero \x00"}},
)


def result(key: str, *, position: int = 0, attempt: int = 0, failed: bool = False, answer: str = "1") -> Result:
    outcome = Outcome(
        answer=answer,
        candidates=(Candidate(index=0, answer=answer, key=answer),),
        stop_reason="error" if failed else "finished",
        error="broken" if failed else None,
        usage=Usage(generated=7, flops=None),
        seconds=1.5,
        trace=TRACE,
    )
    return Result(
        key=key,
        cell=0,
        position=position,
        problem_id=f"p-{key}",
        question="1?",
        target="1",
        outcome=outcome,
        grade=Grade(correct=not failed, value=None if failed else 1.0, reason="x"),
        attempt=attempt,
    )


def resolved(**changes: object) -> EvalConfig:
    given = {"benchmarks": ["chain_sum"], "limit": 2, **changes}
    return make_plan(EvalConfig.load(None, given)).config


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    made = ResultStore(tmp_path / "store.sqlite", writable=True)
    made.set_cells([CELL])
    return made


def test_a_result_comes_back_as_it_went_in(store: ResultStore) -> None:
    with store:
        given = result("a", answer="half \udc00 \x00 ½")
        store.add(given, cell_seconds=2.0)
        (trace,) = store.traces()
        assert (trace.key, trace.problem_id, trace.spans) == ("a", "p-a", given.outcome.trace)
        (plain,) = store.results()
        assert plain.outcome == given.outcome.with_(trace=())


def test_the_same_result_put_in_twice_is_there_once_and_the_first_stays(store: ResultStore) -> None:
    with store:
        for answer in ("1", "2"):
            store.add(result("a", answer=answer), cell_seconds=1.0)
        assert [r.outcome.answer for r in store.results()] == ["1"]


def test_a_later_attempt_supersedes_a_failed_one_which_stays_on_the_books(store: ResultStore) -> None:
    with store:
        store.add(result("a", failed=True), cell_seconds=1.0)
        assert store.attempts() == {"a": (0, True)}
        store.add(result("a", attempt=1), cell_seconds=1.0)
        assert store.attempts() == {"a": (1, False)}
        assert [r.attempt for r in store.results()] == [1]
        assert [r.attempt for r in store.results(superseded=True)] == [0]
        assert store.num_correct() == 1
        assert [trace.attempt for trace in store.traces()] == [0, 1]


def test_results_come_in_the_order_of_the_problems_and_not_of_their_ends(store: ResultStore) -> None:
    with store:
        for position in (2, 0, 1):
            store.add(result(str(position), position=position), cell_seconds=1.0)
        assert [r.position for r in store.results(0)] == [0, 1, 2]
        assert list(store.results(1)) == []


def test_wall_seconds_add_up_over_sessions_and_not_within_one(tmp_path: Path, store: ResultStore) -> None:
    with store:
        store.add(result("a"), cell_seconds=2.0)
        store.add(result("b", position=1), cell_seconds=3.0)
    with ResultStore(tmp_path / "store.sqlite", writable=True) as later:
        later.add(result("c", position=2), cell_seconds=4.0)
        assert later.wall_seconds(0) == 7.0


def test_traces_need_not_be_kept(store: ResultStore) -> None:
    with store:
        store.add(result("a"), cell_seconds=1.0, keep_trace=False)
        assert list(store.traces()) == []
        assert len(list(store.results())) == 1


def test_a_report_can_read_while_the_run_writes_and_cannot_write(tmp_path: Path, store: ResultStore) -> None:
    with store, ResultStore(tmp_path / "store.sqlite") as reader:
        store.add(result("a"), cell_seconds=1.0)
        assert len(list(reader.results())) == 1
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.add(result("b"), cell_seconds=1.0)


def test_other_problems_than_the_run_began_with_are_refused(store: ResultStore) -> None:
    with store:
        store.set_cells([CELL])
        with pytest.raises(ConfigError, match="'sums' have changed"):
            store.set_cells(
                [StoredCell(number=0, benchmark="sums", strategy="single", num_problems=3, fingerprint="g")]
            )


def test_what_is_no_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="holds no results"):
        ResultStore(tmp_path / "store.sqlite")
    (tmp_path / "store.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(ConfigError, match="not a run store"):
        ResultStore(tmp_path / "store.sqlite")
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("PRAGMA user_version = 99")
    other.close()
    with pytest.raises(ConfigError, match="another version"):
        ResultStore(tmp_path / "other.sqlite")


def test_a_new_directory_holds_a_config_that_reads_back_and_says_how_it_was_made(tmp_path: Path) -> None:
    directory, config = RunDirectory(tmp_path / "deep" / "run"), resolved()
    with directory.open(config, {"python": "3"}, resume=False) as opened:
        opened.set_cells([CELL])
    assert directory.config() == config
    assert json.loads((directory.path / "run.json").read_text()) == {"python": "3"}
    assert not list(directory.path.glob("*.new"))


def test_a_directory_that_holds_a_run_is_used_again_only_on_resume(tmp_path: Path) -> None:
    directory, config = RunDirectory(tmp_path / "run"), resolved()
    directory.check(config, resume=True)
    with directory.open(config, {}, resume=False):
        pass
    with pytest.raises(ConfigError, match=r"--resume .*another --out"):
        directory.check(config, resume=False)
    with directory.open(config, {}, resume=True):
        pass


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 3}, "seed was 0 and is now 3"),
        ({"limit": 1}, "limit was 2 and is now 1"),
        ({"model": "hf:x"}, "model was 'abacus' and is now 'hf:x'"),
        ({"budget": "tokens=9"}, r"budget was None and is now \{'tokens': 9\}"),
        ({"models": ["hf:x", "hf:y"]}, "models had 'abacus', which is gone"),
        ({"model_options": {"backend": "hf"}}, "backend of 'abacus' was None and is now 'hf'"),
        ({"budgets": ["tokens=9", "tokens=8"]}, "budgets had None, which is gone"),
        ({"strategies": ["self_consistency"]}, "strategies had 'single', which is gone"),
        ({"sampling": {"temperature": 0.5}}, "temperature of 'single' was None and is now 0.5"),
    ],
)
def test_a_run_of_another_config_names_what_differs(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    directory = RunDirectory(tmp_path / "run")
    with directory.open(resolved(), {}, resume=False):
        pass
    with pytest.raises(ConfigError, match=message):
        directory.check(resolved(**changes), resume=True)


def test_what_no_result_depends_on_may_change_on_resume(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    with directory.open(resolved(), {}, resume=False):
        pass
    free: dict[str, object] = {"concurrency": 1, "turns": True, "traces": False, "record": "b", "reuse": True}
    directory.check(resolved(**free, total_budget="tokens=9", out="x"), resume=True)


def test_a_run_may_be_raised_and_its_rows_may_stand_in_another_order(tmp_path: Path) -> None:
    directory, more = (
        RunDirectory(tmp_path / "run"),
        resolved(
            benchmarks=["countdown", "chain_sum"],
            strategies=["self_consistency", "single"],
            models=["hf:x", "abacus"],
            budgets=["tokens=9", "none"],
            limit=3,
        ),
    )
    with directory.open(resolved(), {}, resume=False):
        pass
    directory.check(more, resume=True)
    assert directory.config() == resolved()
    with directory.open(more, {}, resume=True):
        pass
    assert directory.config() == more
    with pytest.raises(ConfigError, match="benchmarks had 'countdown', which is gone"):
        directory.check(resolved(), resume=True)
    one, two = ({"label": "a", "name": "x"}, {"label": "b", "name": "y"})
    assert differences({"strategies": [one, two]}, {"strategies": [two, one]}) == []


def test_cells_get_other_numbers_and_take_their_results_along(store: ResultStore) -> None:
    other = replace(CELL, strategy="other", fingerprint="o")
    with store:
        store.add(result("a"), cell_seconds=2.0)
        store.set_cells([other, replace(CELL, number=1)])
        assert [r.key for r in store.results(1)] == ["a"]
        assert list(store.results(0)) == []
        assert (store.wall_seconds(0), store.wall_seconds(1)) == (0.0, 2.0)
        store.set_cells([CELL, replace(other, number=1)])  # they change places
        assert [r.key for r in store.results(0)] == ["a"]
        with pytest.raises(ConfigError, match="'other' on 'sums', which is gone"):
            store.set_cells([CELL])
        assert len(store.cells()) == 2


def test_a_cell_may_have_more_problems_if_its_first_ones_are_the_same(store: ResultStore) -> None:
    more = replace(CELL, num_problems=5, fingerprint="more")
    with store:
        with pytest.raises(ConfigError, match="'sums' have changed"):
            store.set_cells([more], begins=lambda cell, count: f"others {count}")
        store.set_cells([more], begins=lambda cell, count: "f" if (cell, count) == (more, 3) else "")
        assert store.cells() == [more]


OLD_LAYOUT = """
CREATE TABLE cells (
    number INTEGER PRIMARY KEY, benchmark TEXT NOT NULL, strategy TEXT NOT NULL,
    num_problems INTEGER NOT NULL, fingerprint TEXT NOT NULL
);
CREATE TABLE results (
    key TEXT NOT NULL, attempt INTEGER NOT NULL, cell INTEGER NOT NULL REFERENCES cells (number),
    position INTEGER NOT NULL, problem TEXT NOT NULL, question TEXT NOT NULL, target TEXT NOT NULL,
    failed INTEGER NOT NULL, correct INTEGER NOT NULL,
    grade TEXT NOT NULL, outcome TEXT NOT NULL, finished_unix_seconds REAL NOT NULL,
    PRIMARY KEY (key, attempt)
);
CREATE TABLE traces (
    key TEXT NOT NULL, attempt INTEGER NOT NULL, spans BLOB NOT NULL, PRIMARY KEY (key, attempt)
);
CREATE TABLE stretches (
    cell INTEGER NOT NULL REFERENCES cells (number), session INTEGER NOT NULL, seconds REAL NOT NULL,
    PRIMARY KEY (cell, session)
);
INSERT INTO cells VALUES (0, '"sums"', '"single"', 3, 'f');
INSERT INTO stretches VALUES (0, 1, 2.5);
PRAGMA user_version = 1;
"""


def test_a_store_of_the_version_with_one_model_and_budget_is_read_as_it_is_and_upgraded_when_written(
    tmp_path: Path,
) -> None:
    directory = RunDirectory(tmp_path)
    with sqlite3.connect(directory.store_path) as old:
        old.executescript(OLD_LAYOUT)
    old.close()
    directory.config_path.write_text(yaml.safe_dump(resolved(model="my:model", budget="tokens=9").plain()))
    named = replace(CELL, model="my:model", budget="tokens=9")
    with ResultStore(directory.store_path) as store:
        assert directory.cells(store) == [named]
        assert store.seconds_at_work() == 2.5
    with directory.open(resolved(model="my:model", budget="tokens=9"), {}, resume=True) as opened:
        assert opened.cells() == [named]
        opened.add(result("a"), cell_seconds=1.0, session_seconds=1.5)
        assert (opened.seconds_at_work(), opened.wall_seconds(0)) == (4.0, 3.5)
    with ResultStore(directory.store_path) as store:
        assert store.cells() == [named]


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("precious")
    for resume in (False, True):
        with pytest.raises(ConfigError, match="not a run directory"):
            RunDirectory(tmp_path).check(resolved(), resume=resume)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="not a run directory"):
        RunDirectory(tmp_path / "file").check(resolved(), resume=False)


def test_a_directory_cut_off_while_it_was_made_is_made_again(tmp_path: Path) -> None:
    for name in ("lock", "run.json", "config.yaml.new", "store.sqlite"):
        (tmp_path / name).write_text("")
    with RunDirectory(tmp_path).open(resolved(), {"made": "again"}, resume=False) as opened:
        assert opened.cells() == []
    assert RunDirectory(tmp_path).config() == resolved()


def test_a_second_process_is_told_who_writes_there(tmp_path: Path) -> None:
    directory, config = RunDirectory(tmp_path / "run"), resolved()
    code = (
        "import sys, yaml\n"
        "from pathlib import Path\n"
        "from ttscale.errors import ConfigError\n"
        "from ttscale_evals.config import EvalConfig\n"
        "from ttscale_evals.store import RunDirectory\n"
        "config = EvalConfig.load(Path(sys.argv[2]))\n"
        "try:\n"
        "    with RunDirectory(Path(sys.argv[1])).open(config, {}, resume=True): print('open')\n"
        "except ConfigError as error: print(error)\n"
    )
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config.plain()))
    command = [sys.executable, "-c", code, str(directory.path), str(tmp_path / "config.yaml")]
    with directory.open(config, {}, resume=False):
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        assert "another process (number " in said
        assert "choose another --out" in said
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "open\n"
