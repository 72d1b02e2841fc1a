"""The models of one engine: the one that samples, and others that verifiers and strategies ask for by name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import fields, is_dataclass
from types import TracebackType
from typing import Self

from ttscale.backends import Backend, load_backend
from ttscale.bank import Recorder
from ttscale.budget import CostModel, PriceTable
from ttscale.errors import BackendError, ConfigError
from ttscale.run.room import Room
from ttscale.scheduling import Scheduler
from ttscale.tasks import TaskKeeper
from ttscale.workers import Workers


class Rooms:
    """A room for each model, started once when it is first asked for; leaving the context stops all of them.

    A model is called by a name the engine was given for it, or by its URI; ``None`` is the one that samples,
    and so is a URI that means the same.
    """

    def __init__(
        self,
        own: Backend,
        *,
        named: Mapping[str, Backend],
        workers: Workers,
        keeper: TaskKeeper,
        prices: PriceTable | None,
        max_in_flight: int | None,
    ) -> None:
        """Start nothing yet.

        Args:
            own: the model that samples.
            named: others by name.
            workers: shared by all.
            keeper: of all background tasks.
            prices: of the models, by the name of their profile or the one they are called by.
            max_in_flight: most samples of the own model in its backend at once.
        """
        self._own = own
        self._named = named
        self._loaded: dict[str, Backend] = {}
        self._workers = workers
        self._keeper = keeper
        self._prices = prices
        self._max_in_flight = max_in_flight
        self._rooms: dict[int, Room] = {}  # by identity: a backend need not be hashable
        self._one_by_one = asyncio.Lock()
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rooms.clear()
        await self._stack.aclose()

    def backend(self, model: str | None) -> Backend:
        """Return the backend of a model, which may not have started.

        Raises:
            ConfigError: it has no such name, and is no model's URI.
        """
        if model is None:
            return self._own
        if model in self._named:
            return self._named[model]
        if model not in self._loaded:
            made = load_backend(model)
            self._loaded[model] = self._own if is_same_model(made, self._own) else made
        return self._loaded[model]

    def started(self, model: str | None) -> Room | None:
        """Return the room of a model if it has started. Errors as `backend`."""
        return self._rooms.get(id(self.backend(model)))

    async def open(self, model: str | None) -> Room:
        """Return the room of a model, started if it has not been; models start one after the other.

        Raises:
            BackendUnavailable: the model that samples does not start.
            ConfigError: another one does not, or there is none of that name.
        """
        async with self._one_by_one:  # on a GPU, an engine looks at its start how much memory is free
            backend = self.backend(model)
            if id(backend) not in self._rooms:
                await self._start(model, backend)
                self._rooms[id(backend)] = self._furnish(model, backend)
            return self._rooms[id(backend)]

    async def _start(self, model: str | None, backend: Backend) -> None:
        try:
            await self._stack.enter_async_context(backend)
        except BackendError as error:
            if model is None:
                raise
            self._loaded.pop(model, None)  # the next attempt is with another one
            raise ConfigError(f"the model {model!r} does not start: {error}") from error

    def _furnish(self, model: str | None, backend: Backend) -> Room:
        prices = self._prices.models if self._prices else {}
        price = prices.get(backend.profile.name) or prices.get(model or "")
        most = self._max_in_flight if backend is self._own else None
        return Room(
            backend=backend,
            scheduler=Scheduler(backend, self._keeper, max_in_flight=most),
            cost=CostModel(profile=backend.profile, price=price),
            workers=self._workers,
            keeper=self._keeper,
            rooms=self,
        )


def is_same_model(one: Backend, other: Backend) -> bool:
    """Whether two backends run the same model in the same way; a second engine would only take its memory."""
    other = other.inner if isinstance(other, Recorder) else other
    if type(one) is not type(other) or not is_dataclass(one):
        return False
    return all(getattr(one, f.name) == getattr(other, f.name) for f in fields(one))
