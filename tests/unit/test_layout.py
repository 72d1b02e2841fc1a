"""The house: what lies where, who may import whom, and what is shipped."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

import ttscale

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTAINERS = ("strategies", "verifiers", "evals")
"""Folders that hold one package each and are none themselves."""
PACKAGES = {
    "ttscale": ROOT / "ttscale",
    "ttscale_strategies": ROOT / "strategies" / "ttscale_strategies",
    "ttscale_verifiers": ROOT / "verifiers" / "ttscale_verifiers",
    "ttscale_evals": ROOT / "evals" / "ttscale_evals",
}
FACADES = {ROOT / "ttscale" / f"{name}.py" for name in CONTAINERS}
MAY_IMPORT = {
    "ttscale": {"ttscale"},
    "ttscale_strategies": {"ttscale", "ttscale_strategies"},
    "ttscale_verifiers": {"ttscale", "ttscale_verifiers"},
    "ttscale_evals": {"ttscale", "ttscale_strategies", "ttscale_verifiers", "ttscale_evals"},
}
HEAVY = (
    "datasets",
    "math_verify",
    "reasoning_gym",
    "scipy",
    "sympy",
    "torch",
    "transformers",
    "vllm",
)
MAX_LINES = 500
MAX_TEST_LINES = 500


def python_files(*roots: Path) -> list[Path]:
    """Return all Python files below these folders."""
    return sorted(path for root in roots for path in root.rglob("*.py"))


def imported(path: Path, package: str) -> Iterator[str]:
    """Yield the full names of all modules a file imports, wherever in it."""
    parents = package.split(".")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = parents[: len(parents) - node.level + 1] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def package_of(path: Path, name: str) -> str:
    """Return the dotted package that a file of package `name` belongs to."""
    return ".".join([name, *path.relative_to(PACKAGES[name]).parent.parts])


def relative(path: Path) -> str:
    return str(path.relative_to(ROOT))


# ── folders and packaging ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("folder", CONTAINERS)
def test_a_container_folder_is_no_package_and_holds_one(folder: str) -> None:
    # An __init__.py here would shadow packages of other people's that have these names.
    assert not (ROOT / folder / "__init__.py").exists()
    packages = sorted(path.parent.name for path in (ROOT / folder).glob("*/__init__.py"))
    assert packages == [f"ttscale_{folder}"]


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_says_that_it_is_typed(name: str) -> None:
    assert (PACKAGES[name] / "py.typed").is_file()


def test_the_wheel_ships_our_four_packages_and_no_other_name() -> None:
    shipped = PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert {ROOT / path for path in shipped} == set(PACKAGES.values())
    assert "force-include" not in PYPROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]


def test_own_entry_points_lead_into_own_packages() -> None:
    project = PYPROJECT["project"]
    groups = [project.get("scripts", {}), *project.get("entry-points", {}).values()]
    targets = [target for group in groups for target in group.values()]
    assert targets
    assert [target for target in targets if target.partition(".")[0].partition(":")[0] not in PACKAGES] == []


def test_the_changelogs_first_entry_is_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[?(\d+\.\d+\.\d+\S*?)\]?(?:\s|$)", changelog, re.MULTILINE)
    assert versions[0] == ttscale.__version__


def test_no_file_is_too_long_to_read() -> None:
    tests = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(ROOT / "tests")}
    code = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for path in python_files(*PACKAGES.values())
    }
    assert code
    assert [relative(path) for path, lines in code.items() if lines > MAX_LINES] == []
    assert [relative(path) for path, lines in tests.items() if lines > MAX_TEST_LINES] == []


# ── who imports whom ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", PACKAGES)
def test_imports_point_one_way(name: str) -> None:
    wrong = [
        f"{relative(path)} imports {module}"
        for path in python_files(PACKAGES[name])
        for module in imported(path, package_of(path, name))
        if (top := module.partition(".")[0]) in PACKAGES and top not in MAY_IMPORT[name] and path not in FACADES
    ]
    assert wrong == []


@pytest.mark.parametrize("name", ["ttscale_strategies", "ttscale_verifiers"])
def test_plugins_do_not_go_through_the_facades(name: str) -> None:
    facades = {f"ttscale.{folder}" for folder in CONTAINERS}
    wrong = [
        f"{relative(path)} imports {module}"
        for path in python_files(PACKAGES[name])
        for module in imported(path, package_of(path, name))
        if module in facades
    ]
    assert wrong == []


def test_a_facade_only_hands_on_its_package() -> None:
    for folder in CONTAINERS:
        facade = ROOT / "ttscale" / f"{folder}.py"
        tops = {module.partition(".")[0] for module in imported(facade, "ttscale")}
        assert tops <= {"__future__", "typing", "importlib", f"ttscale_{folder}"}, facade
        mine = importlib.import_module(f"ttscale.{folder}")
        theirs = importlib.import_module(f"ttscale_{folder}")
        assert set(mine.__all__) <= set(theirs.__all__)
        assert all(getattr(mine, name) is getattr(theirs, name) for name in mine.__all__)


STRATEGY_FILES = [
    path
    for path in python_files(PACKAGES["ttscale_strategies"])
    if path.parent != PACKAGES["ttscale_strategies"]
]


@pytest.mark.parametrize("path", STRATEGY_FILES, ids=relative)
def test_a_strategy_imports_ttscale_and_its_family_only(path: Path) -> None:
    family = "ttscale_strategies." + path.relative_to(PACKAGES["ttscale_strategies"]).parts[0]
    allowed = {*sys.stdlib_module_names, "ttscale", "numpy", "scipy", "sklearn"}
    # Every family checks what it is given, many end in a vote, and some read and merge drafts.
    shared = ("checks", "refine", "revision", "styles", "voting")
    rooms = (f"{family}.", *(f"ttscale_strategies.{room}." for room in shared))
    wrong = [
        module
        for module in imported(path, package_of(path, "ttscale_strategies"))
        if module.partition(".")[0] not in allowed and not f"{module}.".startswith(rooms)
    ]
    assert wrong == []


def test_strategy_files_are_there_to_be_checked() -> None:
    assert {path.name for path in STRATEGY_FILES} >= {"single.py", "self_consistency.py", "best_of_n.py"}


# ── public names ──────────────────────────────────────────────────────────────────────────────────────────


def curated() -> list[tuple[str, Path]]:
    """Return every `__init__.py` and facade that says `__all__`, by module name."""
    inits = [
        (package_of(path, name), path)
        for name, folder in PACKAGES.items()
        for path in python_files(folder)
        if path.name == "__init__.py"
    ]
    facades = [(f"ttscale.{path.stem}", path) for path in sorted(FACADES)]
    return [
        (module, path)
        for module, path in [*inits, *facades]
        if "__all__" in path.read_text(encoding="utf-8") or path in FACADES
    ]


def as_sorted(name: str) -> tuple[int, str]:
    """Sort constants first, then classes, then functions."""
    return (0 if name.isupper() else 1 if name[:1].isupper() else 2, name)


@pytest.mark.parametrize(("module", "path"), curated(), ids=[module for module, _ in curated()])
def test_public_names_are_sorted_exist_and_are_complete(module: str, path: Path) -> None:
    public: list[str] = list(importlib.import_module(module).__all__)
    assert public == sorted(set(public), key=as_sorted)
    assert [name for name in public if not hasattr(importlib.import_module(module), name)] == []
    brought = set[str]()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in PACKAGES:
            brought |= {alias.asname or alias.name for alias in node.names}
    assert {name for name in brought if not name.startswith("_")} - set(public) == set()


def test_the_public_packages_are_curated() -> None:
    modules = {module for module, _ in curated()}
    assert modules >= {*PACKAGES, "ttscale.strategies", "ttscale.verifiers", "ttscale.evals", "ttscale.testing"}
    assert modules >= {"ttscale.backends", "ttscale.budget", "ttscale.run", "ttscale.workers"}


# ── what an import costs ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "import ttscale",
        "from ttscale import Engine, Budget, solve",
        "import ttscale.strategies, ttscale.verifiers",
        "import ttscale.testing",
        "from ttscale.cli import main; main(['--help'])",
        "from ttscale.cli import main; main(['list', 'strategies', '--json'])",
    ],
)
def test_heavy_libraries_are_imported_when_they_are_used(code: str) -> None:
    report = f"; import sys; print('HEAVY', *sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code + report], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].split() == ["HEAVY"]
