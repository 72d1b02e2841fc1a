"""Writing a file that is there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ttscale.errors import DataError


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Lend a path beside a file; what is written there takes its place unless there is an error.

    Raises:
        DataError: it cannot be written.
    """
    unfinished = path.with_name(path.name + ".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield unfinished
        os.replace(unfinished, path)
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be written: {error.strerror}; choose another path.") from error
    finally:
        unfinished.unlink(missing_ok=True)
