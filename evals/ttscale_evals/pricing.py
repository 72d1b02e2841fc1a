"""Under which circumstances a run's rows came about, and what they cost by prices that are given afterwards."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ttscale.budget.prices import PriceFile
from ttscale.types import JSON, Outcome
from ttscale_evals.config import EvalConfig
from ttscale_evals.replay.trials import FILE_NAME
from ttscale_evals.rows import Setting
from ttscale_evals.store import Result, RunDirectory


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """Of one run."""

    setting: Setting
    names: Mapping[str, Sequence[str]]
    """What each model is called in price files, by its title."""
    prices: PriceFile | None = None
    """In place of those that the run was made with."""

    @classmethod
    def of(cls, directory: RunDirectory, config: EvalConfig, prices: PriceFile | None) -> Circumstances:
        """Return those of a run.

        Args:
            directory: of the run.
            config: of the run.
            prices: in place of its own; ``None``: dollars stay as they are.

        Raises:
            ConfigError: the price file lacks one of the run's models, or ``run.json`` is broken.
        """
        about = directory.about()
        names = {model.title: _names(about, model.title, model.model) for model in config.models}
        if prices is not None:
            for known in names.values():
                prices.price(*known)
        date = _date(about) if prices is None else prices.table.date
        file = config.prices if prices is None else str(prices.path)
        setting = Setting(
            concurrency=config.concurrency,
            is_replayed=(directory.path / FILE_NAME).is_file(),
            price_date=date,
            price_file=None if date is None else file,
        )
        return cls(setting=setting, names=names, prices=prices)

    def priced(self, results: Iterable[Result], *, model: str) -> list[Result]:
        """Return results with the dollars they cost by `prices`, if there are any.

        Args:
            results: of one model.
            model: its title.

        Raises:
            ConfigError: a strategy or verifier asked another model, which the price file lacks.
        """
        if self.prices is None:
            return list(results)
        names = self.names.get(model, (model,))
        return [replace(r, outcome=priced(r.outcome, self.prices, names=names)) for r in results]


def priced(outcome: Outcome, prices: PriceFile, *, names: Sequence[str]) -> Outcome:
    """Return an outcome with the dollars that its tokens cost; unknown where it does not say whose they are.

    Args:
        outcome: of a run of any age; older ones do not tell the tokens of their models apart.
        prices: by name of the model.
        names: of the model that sampled.

    Raises:
        ConfigError: a model is missing in the price file.
    """
    usd = None
    if outcome.work is not None:
        usd = 0.0
        for model, tokens in outcome.work.by_model.items():
            price = prices.price(*(names if model in ("", *names) else (model,)))
            usd += price.usd(
                prompt_computed=tokens.prompt_computed,
                prompt_cached=tokens.prompt_cached,
                generated=tokens.generated,
            )
    return outcome.with_(usage=replace(outcome.usage, usd=usd))


def _names(about: Mapping[str, JSON], title: str, uri: str) -> Sequence[str]:
    """Return the model's URI, title and name by its backend."""
    models = about.get("models")
    own = models.get(title) if isinstance(models, Mapping) else None
    profile = own.get("profile") if isinstance(own, Mapping) else about.get("profile")
    name = profile.get("name") if isinstance(profile, Mapping) else None
    return tuple(dict.fromkeys([uri, title, *([name] if isinstance(name, str) else [])]))


def _date(about: Mapping[str, JSON]) -> str | None:
    """Return as of when the prices are that the run was made with; ``None``: there were none."""
    prices = about.get("prices")
    date = prices.get("date") if isinstance(prices, Mapping) else None
    return date if isinstance(date, str) else None
