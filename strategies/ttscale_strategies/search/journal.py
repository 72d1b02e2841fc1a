"""A search's tree on disk, line by line as it grows, so that a search that was killed can go on."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Final, cast

from ttscale.errors import ConfigError
from ttscale.run import Run
from ttscale.types import JSON, Usage
from ttscale_strategies.search.tree import Draw, Node, draw_from_json, draw_to_json

_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_MOST_NAME_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True)
class Entry:
    """One draw that was made, and what it took."""

    draw: Draw
    node: Node | None
    usage: Usage
    samples: int
    """Of the strategy's own: the step, and what was drawn to rate it."""


class Journal:
    """The draws of one search in a file, one a line; what a kill left unfinished is the last line at most."""

    def __init__(self, path: Path) -> None:
        """Look at nothing yet.

        Args:
            path: of the file; its folder is made.
        """
        self._path = path
        self._is_whole = False

    @classmethod
    def of(cls, folder: str, strategy: object, run: Run) -> Journal:
        """Return the journal of a strategy's search in a run: its own by problem, seed, model and options."""
        own = (run.problem.id, run.sample_seed(0), run.profile.name, repr(run.path), repr(strategy))
        digest = blake2b(json.dumps(own).encode(), digest_size=8).hexdigest()
        name = _UNSAFE.sub("-", run.problem.id)[:_MOST_NAME_CHARACTERS]
        return cls(Path(folder) / f"{name}-{digest}.jsonl")

    def entries(self) -> Iterator[Entry]:
        """Yield the draws made before, parents first.

        Raises:
            ConfigError: the file cannot be read, or is no such journal.
        """
        try:
            lines = self._path.read_bytes().split(b"\n") if self._path.exists() else []
        except OSError as error:
            raise ConfigError(f"the search journal {str(self._path)!r} cannot be read: {error}") from error
        for number, line in enumerate(lines[:-1], start=1):  # what has no end of line was not finished
            try:
                yield _read(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise ConfigError(
                    f"line {number} of {str(self._path)!r} is no draw of a search ({error}); remove the file, "
                    f"and the search begins anew."
                ) from error

    def write(self, entry: Entry) -> None:
        """Add a draw; it is on its way to the disk when this returns.

        Raises:
            ConfigError: the file cannot be written.
        """
        spent = {"usage": asdict(entry.usage), "samples": entry.samples}
        line = json.dumps({**draw_to_json(entry.draw, entry.node), **spent})
        try:
            if not self._is_whole:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._cut_torn_line()
                self._is_whole = True
            with self._path.open("ab") as file:
                file.write(line.encode() + b"\n")
        except OSError as error:
            raise ConfigError(f"the search journal {str(self._path)!r} cannot be written: {error}") from error

    def _cut_torn_line(self) -> None:
        """Remove what a kill left of a line, so that the next one stands alone."""
        if not self._path.exists():
            return
        with self._path.open("rb+") as file:
            written = file.seek(0, 2)
            if written:
                file.seek(written - 1)
                if file.read(1) != b"\n":
                    file.seek(0)
                    file.truncate(file.read().rfind(b"\n") + 1)


def _read(document: Mapping[str, JSON]) -> Entry:
    draw, node = draw_from_json(document)
    usage = Usage(**cast("Mapping[str, int]", document["usage"]))
    return Entry(draw, node, usage, cast("int", document["samples"]))
