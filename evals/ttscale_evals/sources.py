"""The models of a run: what each of them is run on, recorded, replayed and priced by."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ttscale.backends import Backend, load_backend
from ttscale.backends.load import parse_model_uri
from ttscale.backends.replay import ReplayBackend
from ttscale.bank import Bank, Recorder, bank_to_fill
from ttscale.budget import PriceTable
from ttscale.budget.prices import PriceFile, prices_for
from ttscale.engine import Engine
from ttscale.errors import ConfigError
from ttscale.run.rooms import is_same_model
from ttscale.strategy import demands, parts
from ttscale_evals.config import EvalConfig, ModelConfig
from ttscale_evals.plan import Cell
from ttscale_evals.replay.engine import ReplayEngine

OWN_BANK: Final = "samples.sqlite"
"""Where ``record: true`` keeps samples, in the run's directory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A model with what it is run on, not started yet."""

    model: ModelConfig
    backend: Backend
    prices: PriceTable | None

    @property
    def is_recording(self) -> bool:
        """Whether its samples are recorded ones."""
        return isinstance(self.backend, ReplayBackend)


def is_replay(config: EvalConfig) -> bool:
    """Whether all models are recordings; another is not loaded to find out: a finished run does not need it."""
    return config.replay is not None or all(map(_is_recorded, config.models))


def _is_recorded(model: ModelConfig) -> bool:
    if not model.model.strip().endswith((".yaml", ".yml")):
        return model.model.strip().startswith("replay:")
    return isinstance(load_backend(model.model, model.backend_options), ReplayBackend)


def find_sources(
    models: Sequence[ModelConfig], config: EvalConfig, backend: Backend | None = None
) -> Sequence[Source]:
    """Return what models are run on; nothing is started.

    Args:
        models: at least one.
        config: resolved.
        backend: generates in place of all of them.

    Raises:
        ConfigError: a model or its options are wrong, or what the config says of recorded samples does not fit.
    """
    sources = [_source(model, config, backend) for model in models]
    recordings = {source.is_recording for source in sources}
    titles = ", ".join(repr(source.model.title) for source in sources)
    if len(recordings) > 1:
        raise ConfigError(f"some of the models {titles} are recordings and some are not; run them apart.")
    if config.orders and recordings != {True}:
        raise ConfigError(f"orders={config.orders} is of recorded samples only, and {titles} has none.")
    if config.record and recordings == {True}:
        raise ConfigError(f"the samples of {titles} are recorded already; leave record out.")
    return sources


def _source(model: ModelConfig, config: EvalConfig, backend: Backend | None) -> Source:
    chosen = backend or (
        load_backend(model.model, model.backend_options)
        if config.replay is None
        else _recording(config.replay, model.model)
    )
    prices = prices_for(
        Path(config.prices) if config.prices is not None else None,
        uri=model.model,
        name=chosen.profile.name,
        limits=(*config.budgets, config.total_budget),
        is_recording=isinstance(chosen, ReplayBackend),
    )
    return Source(model=model, backend=chosen, prices=prices)


def _recording(bank: str, uri: str) -> Backend:
    """Return what a bank holds of a model."""
    return load_backend(f"replay:{bank}", {"recorded": parse_model_uri(uri).model})


@asynccontextmanager
async def started(
    source: Source, config: EvalConfig, cells: Sequence[Cell], out: Path
) -> AsyncGenerator[Engine]:
    """Lend an engine on a model, whose samples are kept if the config wants that.

    Other models that strategies ask are recorded, or replayed, as this one is.

    Args:
        source: of the model.
        config: resolved.
        cells: those of the model.
        out: the run's directory.

    Raises:
        ConfigError: the bank cannot be made, or the price file lacks the recorded model.
        DataError: the file is no sample bank.
    """
    with ExitStack() as stack:
        bank, chosen = None, source.backend
        if config.record:
            path = out / OWN_BANK if config.record is True else Path(config.record)
            bank = stack.enter_context(bank_to_fill(path))
            chosen = Recorder(chosen, bank, reuse=config.reuse)
        others = _others(config, cells, chosen, bank)
        async with _engine(chosen, source.prices, others) as engine:
            if source.is_recording and config.prices is not None:
                PriceFile.read(Path(config.prices)).price(chosen.profile.name)
            yield engine


def _engine(backend: Backend, prices: PriceTable | None, others: Mapping[str, Backend]) -> Engine:
    if isinstance(backend, ReplayBackend):
        return ReplayEngine(backend, prices=prices, models=others)
    return Engine(backend, prices=prices, models=others)


def _others(
    config: EvalConfig, cells: Sequence[Cell], own: Backend, bank: Bank | None
) -> Mapping[str, Backend]:
    """Return the backends of the models that strategies name, where these are recorded or replayed."""
    if config.replay is None and bank is None:
        return {}
    strategies = {id(cell.strategy): cell.strategy for cell in cells}.values()
    named = {name for strategy in strategies for part in parts(strategy) for name in demands(part)}
    found = dict[str, Backend]()
    for name in sorted(name for name in named if name is not None):
        other = load_backend(name) if config.replay is None else _recording(config.replay, name)
        if is_same_model(other, own):
            found[name] = own
        elif bank is not None and not isinstance(other, ReplayBackend):
            found[name] = Recorder(other, bank, reuse=config.reuse)
        else:
            found[name] = other
    return found
