"""Tests on a virtual clock (`ttscale.virtual`)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from ttscale.virtual import run_virtual

T = TypeVar("T")
P = ParamSpec("P")


def virtual_clock(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Turn an ``async def`` test into an ordinary one that runs on a virtual clock of its own.

    ```python
    @virtual_clock
    async def test_an_hour_passes() -> None:
        await asyncio.sleep(3600)
        assert asyncio.get_running_loop().time() == 3600
    ```
    """

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return run_virtual(test(*args, **kwargs))

    return run
