"""What a model costs by a price file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ttscale.budget.budget import Budget
from ttscale.budget.cost import Price, PriceTable
from ttscale.errors import ConfigError, UnknownPrice


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceFile:
    """A price table and the file it was read from."""

    path: Path
    table: PriceTable

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a price file.

        Raises:
            ConfigError: it is missing or not of the right form.
        """
        return cls(path=path, table=PriceTable.read(path))

    def price(self, *names: str) -> Price:
        """Return the price of a model that is known by any of these names, the first of which users know.

        Raises:
            UnknownPrice: the file has none of them; those it has are named.
        """
        found = next((self.table.models[name] for name in names if name in self.table.models), None)
        if found is None:
            known = ", ".join(map(repr, self.table.models)) or "nothing"
            raise UnknownPrice(
                f"the price file {str(self.path)!r} (of {self.table.date}) has no price for {names[0]!r}, "
                f"only for {known}; add it under `models`."
            )
        return found


def prices_for(
    path: Path | None, *, uri: str, name: str, limits: tuple[Budget | None, ...], is_recording: bool = False
) -> PriceTable | None:
    """Return the prices of a file, that of the model which samples under the name that its backend gives it.

    Args:
        path: the price file; ``None``: there is none.
        uri: the model as the user wrote it, which may stand in the file.
        name: the model's name by its backend's profile, which may stand there as well.
        limits: budgets; where one limits dollars, there must be a file.
        is_recording: its name is that of the recorded model, which is known once the recording is open: whoever
            opens it looks there, see `PriceFile.price`.

    Returns:
        The table, or ``None`` without a file.

    Raises:
        ConfigError: the file cannot be read, or dollars are limited without one.
        UnknownPrice: it has no price of the model.
    """
    if path is None:
        if any(limit is not None and limit.usd is not None for limit in limits):
            raise ConfigError(
                f"dollars cannot be limited without the price of {uri!r}; "
                f"name a price file with --prices FILE, or with `prices: FILE` in a config file."
            )
        return None
    file = PriceFile.read(path)
    table = file.table
    if is_recording:
        return table
    return PriceTable(date=table.date, models={**table.models, name: file.price(uri, name)})
