"""Writing a file that is there whole or not at all."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, cast

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


@contextmanager
def replacing_lines(path: Path) -> Generator[Callable[[Mapping[str, object]], None]]:
    """Lend a function that writes a line of JSON, into a file as `replacing` has it; ``.gz`` is compressed.

    Equal lines make equal files.

    Raises:
        DataError: it cannot be written.
    """
    with replacing(path) as unfinished, ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(unfinished.open("wb"))
        if path.suffix == ".gz":  # without name and time
            file = cast("IO[bytes]", stack.enter_context(gzip.GzipFile("", "wb", 6, file, mtime=0)))

        def write(line: Mapping[str, object]) -> None:
            file.write(json.dumps(line).encode() + b"\n")

        yield write
