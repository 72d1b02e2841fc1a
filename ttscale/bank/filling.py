"""Opening a bank that is to be filled."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from ttscale.bank.bank import Bank
from ttscale.errors import ConfigError, DataError

_EXPORT_ENDINGS: Final = (".jsonl", ".ndjson", ".json", ".csv", ".parquet", ".gz")


@contextmanager
def bank_to_fill(path: Path) -> Generator[Bank]:
    """Lend a bank to be written, made if need be; one that was made and got no sample is gone after an error.

    Raises:
        ConfigError: the path is a folder, has the ending of an export, or its folder cannot be made.
        DataError: the file is no sample bank, or cannot be written.
    """
    if path.suffix.lower() in _EXPORT_ENDINGS:
        raise ConfigError(
            f"{str(path)!r} has the ending of another kind of file, and samples go into a bank; name it "
            f"{path.name.split('.')[0]}.sqlite, and write other files with `ttscale pool export`."
        )
    if path.is_dir():
        raise ConfigError(f"{str(path)!r} is a folder; name a file in it, {str(path / 'pool.sqlite')!r} say.")
    is_new, is_needed = not path.exists(), False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        place = str(path.parent)
        raise ConfigError(f"{place!r} cannot be made: {error.strerror}; choose another path.") from error
    try:
        with Bank(path) as bank:
            try:
                yield bank
                is_needed = True
            finally:
                is_needed = is_needed or bank.num_samples() > 0
    except sqlite3.DatabaseError as error:
        raise DataError(
            f"the sample bank {str(path)!r} cannot be written: {error}; mend that, or choose another path."
        ) from error
    finally:
        if is_new and not is_needed:
            path.unlink(missing_ok=True)
