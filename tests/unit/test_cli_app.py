"""The command line as a whole: help, errors and exit statuses, commands of other packages."""

from __future__ import annotations

import asyncio
import importlib.metadata
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import ttscale
from ttscale import registry
from ttscale.cli import doctor as doctor_module
from ttscale.cli import main
from ttscale.cli.app import report_error
from ttscale.errors import (
    BackendError,
    BackendUnavailable,
    BudgetTooSmall,
    CapabilityError,
    ConfigError,
    PluginError,
    VerifierError,
)

HEAVY = (
    *("torch", "numpy", "transformers", "vllm", "aiohttp", "datasets", "reasoning_gym", "math_verify"),
    *("sympy", "scipy", "rich", "asyncio", "pydantic", "yaml"),
)


class EntryPoints:
    """Stands in for what is installed: entry points of a package that is not."""

    def __init__(self, *points: importlib.metadata.EntryPoint) -> None:
        self.points = points

    def __call__(self, *, group: str) -> Sequence[importlib.metadata.EntryPoint]:
        return [point for point in self.points if point.group == group]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Pretend that a package is installed that brings a command, a broken one, and a broken strategy."""
    (tmp_path / "third_party_commands.py").write_text(
        "import typer\n"
        "def hello(name: str, loud: bool = False) -> None:\n"
        "    '''Greet somebody.'''\n"
        "    typer.echo(f'HELLO {name}' if loud else f'hello {name}')\n"
    )
    (tmp_path / "third_party_broken.py").write_text("raise OSError('its library is missing')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    points = EntryPoints(
        importlib.metadata.EntryPoint("hello", "third_party_commands:hello", "ttscale.commands"),
        importlib.metadata.EntryPoint("broken", "third_party_broken:command", "ttscale.commands"),
        importlib.metadata.EntryPoint("worse", "third_party_broken:Strategy", "ttscale.strategies"),
    )
    monkeypatch.setattr(importlib.metadata, "entry_points", points)
    monkeypatch.setattr("ttscale.cli.plugins.entry_points", points)
    registry._entry_points.cache_clear()  # pyright: ignore[reportPrivateUsage]
    yield tmp_path
    registry._entry_points.cache_clear()  # pyright: ignore[reportPrivateUsage]
    sys.modules.pop("third_party_commands", None)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    for command in ("solve", "eval", "report", "compare", "list", "doctor", "pool"):
        assert f"\n  {command} " in shown


@pytest.mark.parametrize("command", ["solve", "eval", "report", "compare", "list", "doctor", "pool"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"Usage: ttscale {command} " in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_imports_nothing_slow(option: str) -> None:
    script = (
        f"import sys; from ttscale.cli import main; status = main([{option!r}]);"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert ("doctor" if option == "--help" else ttscale.__version__) in done.stdout


def test_the_module_can_be_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ttscale", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == f"ttscale {ttscale.__version__}"


@pytest.mark.parametrize(
    "words", [[], ["nonsense"], ["solve"], ["solve", "q", "--nonsense"], ["eval", "--limit", "many"]]
)
def test_wrong_usage_exits_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    captured = capsys.readouterr()
    assert "Usage: ttscale" in captured.out + captured.err


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("wrong"), 2),
        (CapabilityError("cannot"), 2),
        (BackendUnavailable("not there"), 2),
        (BudgetTooSmall("tokens", 5, 10, 5, "question"), 2),
        (BackendError("broke"), 1),
        (VerifierError("broke"), 1),
        (PluginError("broke"), 1),
        (ZeroDivisionError("division by zero"), 1),
        (ExceptionGroup("several", [ValueError("noise"), ExceptionGroup("", [ConfigError("wrong")])]), 2),
    ],
)
def test_each_kind_of_error_has_its_exit_status(
    error: Exception, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report_error(error) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "mend"),
    [
        (BudgetTooSmall("tokens", 50, 110, 50, "q"), "; raise tokens in the budget to at least 110."),
        (
            BudgetTooSmall("tokens", 1_000_000, 234_567, 0, "run"),
            "; raise tokens in the budget to at least 1234567.",
        ),
        (
            BudgetTooSmall("usd", 1e-6, 6.3000000001e-05, 1e-6, "q"),
            " usd in the budget to at least 6.3000000001e-05.",
        ),
        (BudgetTooSmall("seconds", 0.5, 0.0, 0.0, "q"), "; raise seconds in the budget."),
    ],
)
def test_a_budget_that_is_too_small_says_what_would_do(error: BudgetTooSmall, mend: str) -> None:
    assert str(error).endswith(mend)


def test_an_error_cannot_write_escape_sequences(capsys: pytest.CaptureFixture[str]) -> None:
    report_error(BackendError("the server said \x1b[2J\nnonsense"))
    assert capsys.readouterr().err == "error: the server said nonsense\n"


def test_an_unexpected_error_is_a_sentence_and_a_traceback_only_when_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def explode() -> None:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(doctor_module, "examine", explode)
    assert main(["doctor"]) == 1
    plain = capsys.readouterr().err
    assert plain.startswith("error: ZeroDivisionError: division by zero")
    assert "Traceback" not in plain
    assert main(["--debug", "doctor"]) == 1
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("TTSCALE_DEBUG", "1")
    assert main(["doctor"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_control_c_exits_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> None:
        async def work() -> None:
            raise KeyboardInterrupt

        asyncio.run(work())

    monkeypatch.setattr(doctor_module, "examine", interrupted)
    assert main(["doctor"]) == 130


def test_an_option_can_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTSCALE_SOLVE_STRATEGY", "no_such_strategy")
    assert main(["solve", "question"]) == 2
    assert "no_such_strategy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("TTSCALE_EVAL_STRATEGY", " no_such_one\tno_such_two:n=4 ", "'no_such_one'"),
        ("TTSCALE_EVAL_BENCHMARK", "no_such_benchmark", "'no_such_benchmark'"),
        ("TTSCALE_EVAL_BUDGET", "tokens=many", "'many'"),
        ("TTSCALE_EVAL_MAX_CONNECTIONS", "-7", "-7"),
        ("TTSCALE_POOL_SHOW_JSON", "neither", "--json"),
    ],
)
def test_a_variable_is_named_after_the_option_that_is_typed(
    variable: str,
    value: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(variable, value)
    words = ["pool", "show", "x"] if "POOL" in variable else ["eval", "--dry-run", "--limit", "1"]
    if variable != "TTSCALE_EVAL_BENCHMARK" and "POOL" not in variable:
        words += ["--benchmark", "countdown"]
    assert main(words) == 2
    assert sentence in capsys.readouterr().err


def test_a_model_of_the_environment_is_taken_as_it_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    uri = "hf:no/such;model:8,x=[1]@http://here/v1"
    monkeypatch.setenv("TTSCALE_EVAL_MODEL", uri)
    assert main(["eval", "--dry-run", "--limit", "1", "--benchmark", "countdown"]) == 0
    assert f"Prompts of {uri} are counted" in capsys.readouterr().out


def test_variables_of_groups_are_left_to_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TTSCALE_VERSION", "1.2.3")
    assert main(["list", "--help"]) == 0
    assert "Usage: ttscale list" in capsys.readouterr().out


@pytest.mark.usefixtures("installed")
def test_a_third_party_command_is_listed_without_being_imported(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "hello" in capsys.readouterr().out
    assert "third_party_commands" not in sys.modules


@pytest.mark.usefixtures("installed")
def test_a_third_party_command_runs_with_its_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["hello", "world", "--loud"]) == 0
    assert capsys.readouterr().out == "HELLO world\n"
    assert main(["hello", "--help"]) == 0
    assert "Greet somebody." in capsys.readouterr().out


@pytest.mark.usefixtures("installed")
def test_a_broken_third_party_command_breaks_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    capsys.readouterr()
    assert main(["broken", "--any", "argument"]) == 1
    assert "its library is missing" in capsys.readouterr().err
    assert main(["hello", "world"]) == 0


@pytest.mark.usefixtures("installed")
def test_a_broken_third_party_strategy_is_listed_as_broken(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "strategies"]) == 0
    shown = capsys.readouterr().out
    assert "worse  [an unknown package]\n    BROKEN: " in shown
    assert "its library is missing" in shown
    assert "\nself_consistency\n" in shown


def test_what_is_to_be_listed_must_be_a_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "strategys"]) == 2
    assert capsys.readouterr().err == (
        "error: 'strategys' cannot be listed; write `ttscale list` with one of "
        "strategies, verifiers, benchmarks, backends, tools.\n"
    )
