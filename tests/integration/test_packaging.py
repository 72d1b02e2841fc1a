"""What is shipped: the wheel, built from the source distribution, holds our packages whole and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import ttscale

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
FOLDERS = {
    "ttscale": ROOT / "ttscale",
    "ttscale_strategies": ROOT / "strategies" / "ttscale_strategies",
    "ttscale_verifiers": ROOT / "verifiers" / "ttscale_verifiers",
    "ttscale_evals": ROOT / "evals" / "ttscale_evals",
}
MAX_BYTES = 25 * 2**20
MAX_WEIGHT_BYTES = 16 * 2**20


def call(*command: str, cwd: Path, environment: dict[str, str] | None = None) -> str:
    """Run a command and return what it prints; its errors fail the test."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def pip(*arguments: str, cwd: Path) -> str:
    """Run pip without a network."""
    return call(sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source distribution, and the wheel from that, as a release does."""
    work = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(work), cwd=ROOT)
    (source,) = work.glob("*.tar.gz")
    pip("wheel", "--no-index", "--no-build-isolation", "--no-deps", "-w", str(work), str(source), cwd=work)
    (built,) = work.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path) -> Path:
    """Install the wheel into an empty folder."""
    target = wheel.parent / "site"
    pip("install", "--no-index", "--no-deps", "--target", str(target), str(wheel), cwd=wheel.parent)
    return target


def python(code: str, site: Path) -> str:
    """Run code where the installed wheel comes before this checkout."""
    return call(sys.executable, "-c", code, cwd=site.parent, environment={"PYTHONPATH": str(site)})


def test_the_wheel_holds_our_packages_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.partition("/")[0] for name in names}
    assert tops == {*FOLDERS, f"ttscale-{ttscale.__version__}.dist-info"}
    assert not [name for name in names if name.endswith((".pyc", ".ipynb", ".sqlite", ".log"))]


@pytest.mark.parametrize("package", FOLDERS)
def test_the_wheel_misses_no_module(wheel: Path, package: str) -> None:
    folder = FOLDERS[package]
    wanted = {f"{package}/{path.relative_to(folder).as_posix()}" for path in folder.rglob("*.py")}
    assert wanted
    assert wanted | {f"{package}/py.typed"} <= set(zipfile.ZipFile(wheel).namelist())


def test_the_wheel_carries_the_reference_model_and_stays_small(wheel: Path) -> None:
    sizes = {info.filename: info.file_size for info in zipfile.ZipFile(wheel).infolist()}
    weights = [size for name, size in sizes.items() if name.endswith(".safetensors")]
    assert min(weights) > 0
    assert max(weights) <= MAX_WEIGHT_BYTES
    for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"):
        assert f"ttscale/reference/abacus/{name}" in sizes
    assert wheel.stat().st_size <= MAX_BYTES


def test_the_installed_wheel_imports_from_where_it_is(site: Path) -> None:
    code = (
        "import importlib, json\n"
        f"names = [*{list(FOLDERS)!r}, 'ttscale.strategies', 'ttscale.verifiers', 'ttscale.evals']\n"
        "print(json.dumps([importlib.import_module(name).__file__ for name in names]))"
    )
    files = json.loads(python(code, site))
    assert [name for name in files if not Path(name).is_relative_to(site)] == []


def test_the_installed_command_finds_the_built_in_plugins(site: Path) -> None:
    code = "import sys; from ttscale.cli import main; sys.exit(main(['list', 'strategies', '--json']))"
    listed = {plugin["name"] for plugin in json.loads(python(code, site))}
    assert {"single", "self_consistency", "best_of_n"} <= listed
    assert (site / "bin" / "ttscale").is_file()


def test_the_installed_version_is_this_one(site: Path) -> None:
    code = "import importlib.metadata as m, ttscale; print(m.version('ttscale'), ttscale.__version__)"
    assert python(code, site).split() == [ttscale.__version__] * 2
