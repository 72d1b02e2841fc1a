"""What a model costs by a price file."""

from __future__ import annotations

from pathlib import Path

from ttscale.budget.budget import Budget
from ttscale.budget.cost import PriceTable
from ttscale.errors import ConfigError


def prices_for(
    path: Path | None, *, uri: str, name: str, limits: tuple[Budget | None, ...]
) -> PriceTable | None:
    """Return the prices of a file, that of the model which samples under the name that its backend gives it.

    Args:
        path: the price file; ``None``: there is none.
        uri: the model as the user wrote it, which may stand in the file.
        name: the model's name by its backend's profile, which may stand there as well.
        limits: budgets; where one limits dollars, the price must be known.

    Returns:
        The table, or ``None`` without a file.

    Raises:
        ConfigError: the file cannot be read, or dollars are limited and the model's price is unknown.
    """
    is_needed = any(limit is not None and limit.usd is not None for limit in limits)
    if path is None:
        if is_needed:
            raise ConfigError(
                f"dollars cannot be limited without the price of {uri!r}; "
                f"name a price file with --prices FILE, or with `prices: FILE` in a config file."
            )
        return None
    table = PriceTable.read(path)
    price = table.models.get(uri, table.models.get(name))
    if price is None and is_needed:
        known = ", ".join(map(repr, table.models)) or "nothing"
        raise ConfigError(
            f"dollars cannot be limited: the price file {str(path)!r} has no price for {uri!r}, "
            f"only for {known}; add it under `models`."
        )
    return table if price is None else PriceTable(date=table.date, models={**table.models, name: price})
