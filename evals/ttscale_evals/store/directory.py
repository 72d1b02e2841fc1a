"""A run's directory: the config that can be run again, what was run, the results, and a lock.

```
config.yaml     every parameter written out; `ttscale eval DIR/config.yaml` runs it again. It is written anew
                when a run is resumed with more benchmarks, strategies, models, budgets or problems
run.json        versions, revision, model profile, price table
store.sqlite    the results, see `ttscale_evals.store.database`
samples.sqlite  the samples, where the config says `record: true`
results.json    the rows, derived from the store at the end
traces.jsonl    the spans, derived from the store at the end
lock            held while a process writes
```

``config.yaml`` is written last of what a new directory needs: a directory without it never held a result.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, cast

import yaml

from ttscale.errors import ConfigError
from ttscale.types import JSON
from ttscale_evals.config import EvalConfig, budget_text
from ttscale_evals.store.cells import StoredCell, named
from ttscale_evals.store.database import ResultStore
from ttscale_evals.store.differences import RAISABLE, differences
from ttscale_evals.yaml_file import YamlFile

_DATABASES: Final = ("store.sqlite", "samples.sqlite")
_UNFINISHED: Final = (
    *("lock", "run.json", "config.yaml"),
    *(f"{name}{ending}" for name in _DATABASES for ending in ("", "-wal", "-shm")),
)
"""What a process that was killed while it made the directory may have left."""


class RunDirectory:
    """Where a run keeps everything."""

    def __init__(self, path: Path) -> None:
        """Name a directory; it need not be there."""
        self.path = path

    @property
    def config_path(self) -> Path:
        """The resolved config."""
        return self.path / "config.yaml"

    @property
    def store_path(self) -> Path:
        """The database."""
        return self.path / "store.sqlite"

    @property
    def is_run(self) -> bool:
        """Whether a run began here."""
        return self.config_path.is_file()

    def config(self) -> EvalConfig:
        """Return the run's resolved config.

        Raises:
            ConfigError: there is none, or it is broken.
        """
        if not self.is_run:
            raise ConfigError(
                f"{str(self.path)!r} is not a run directory (config.yaml is missing); check the path."
            )
        return EvalConfig.load(self.config_path)

    def cells(self, store: ResultStore) -> list[StoredCell]:
        """Return what the run does, in its order, with model and budget of each cell.

        Raises:
            ConfigError: as `config`.
        """
        cells = store.cells()
        return cells if all(cell.model for cell in cells) else named(cells, **_only(self.config()))

    def check(self, config: EvalConfig, *, resume: bool) -> None:
        """Find out whether a run of a resolved config may write here.

        Raises:
            ConfigError: there is a run already and `resume` is off, or it is a run of another config, or
                something else is there.
        """
        if self.is_run:
            if not resume:
                raise ConfigError(
                    f"{str(self.path)!r} holds a run already; "
                    f"add --resume to go on with it, or choose another --out."
                )
            self._check_same(config)
        elif self.path.exists() and (not self.path.is_dir() or any(self._foreign())):
            raise ConfigError(f"{str(self.path)!r} exists and is not a run directory; choose another --out.")

    def _foreign(self) -> Iterable[Path]:
        return (entry for entry in self.path.iterdir() if entry.name.removesuffix(".new") not in _UNFINISHED)

    def _check_same(self, config: EvalConfig) -> None:
        # The file as it is: what a newer version would fill in by default counts as a difference, but for
        # settings that no result depends on.
        differing = differences(YamlFile.read(self.config_path).document, config.plain())
        if differing:
            raise ConfigError(
                f"the run in {str(self.path)!r} has another config: {'; '.join(differing)}. "
                f"Resume it with its own, or choose another --out."
            )

    @contextmanager
    def open(self, config: EvalConfig, about: Mapping[str, JSON], *, resume: bool) -> Generator[ResultStore]:
        """Lock the directory, made if need be, and lend its store for writing.

        Args:
            config: resolved.
            about: for ``run.json``; that of the first session stays.
            resume: whether a run that is there may go on.

        Raises:
            ConfigError: as `check`, or another process writes here.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(
                f"{str(self.path)!r} cannot be made: {error.strerror}; choose another --out."
            ) from error
        with self._locked():
            self.check(config, resume=resume)
            with closing(ResultStore(self.store_path, writable=True)) as store:
                if self.is_run:
                    store.name_cells(**_only(self.config()))
                else:
                    self.write("run.json", [dump_json(about)])
                if not self.is_run or _is_raised(self.config(), config):
                    text = yaml.safe_dump(config.plain(), sort_keys=False, allow_unicode=True)
                    self.write("config.yaml", [text])
                yield store

    @contextmanager
    def _locked(self) -> Generator[None]:
        """Hold the lock; the kernel lets go of it when the process ends, however it ends."""
        with (self.path / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.seek(0)
                holder = file.read(32).strip() or "unknown"
                raise ConfigError(
                    f"another process (number {holder}) is writing to {str(self.path)!r}; "
                    f"wait for its end, or choose another --out."
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def about(self) -> Mapping[str, JSON]:
        """Return what ``run.json`` says; nothing where a run cut off early has none.

        Raises:
            ConfigError: it cannot be read.
        """
        path = self.path / "run.json"
        if not path.is_file():
            return {}
        try:
            document = cast("JSON", json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{str(path)!r} is broken ({error}); without it, what the run was made with is not known: "
                f"move it away to read the run's results all the same."
            ) from error
        return document if isinstance(document, Mapping) else {}

    def add_model(self, title: str, about: Mapping[str, JSON]) -> None:
        """Write down in ``run.json`` what a model is, where it does not say; only within `open`."""
        document = self.about()
        models = cast("Mapping[str, JSON]", document.get("models") or {})
        if title not in models:
            self.write("run.json", [dump_json({**document, "models": {**models, title: about}})])

    def write(self, name: str, parts: Iterable[str]) -> Path:
        """Write a file of the directory whole or not at all, from pieces of text; return its path."""
        new, final = self.path / f"{name}.new", self.path / name
        # Half a surrogate pair, which a server may send, becomes its JSON escape.
        with new.open("w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        new.replace(final)
        return final


def _is_raised(before: EvalConfig, now: EvalConfig) -> bool:
    """Whether a run is to have more than it had, where nothing else differs that matters."""
    return any(getattr(before, name) != getattr(now, name) for name in RAISABLE)


def _only(config: EvalConfig) -> dict[str, str]:
    """Return title of the model and text of the budget of a run that has one of each."""
    return {"model": config.models[0].title, "budget": budget_text(config.budgets[0])}


def dump_json(document: Mapping[str, JSON]) -> str:
    """Return a document as text to be read by people too."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
