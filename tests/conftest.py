"""What all tests share: an environment without anybody's settings."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# Examples of each property: few each time, more with `--hypothesis-profile=thorough`, as in `make test`.
settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile("thorough", max_examples=100, deadline=None)
settings.load_profile("quick")

# Before torch is imported anywhere: tiny models on a few cores are slowed tenfold by more threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the settings of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("TTSCALE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def thorough(pytestconfig: pytest.Config) -> bool:
    """Whether more than the quick check of a contract is wanted, as in `make test`."""
    return bool(pytestconfig.getoption("--hypothesis-profile") == "thorough")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count browser tests, and whatever lies in `tests/integration`, among those that start something real."""
    for item in items:
        if item.get_closest_marker("browser") or item.path.parent.name == "integration":
            item.add_marker(pytest.mark.integration)
