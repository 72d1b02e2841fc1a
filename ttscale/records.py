"""Reading rows of named fields from JSON lines, JSON, CSV and Parquet files; every mistake has its place."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ttscale.errors import DataError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable

_FORMATS = (".jsonl", ".ndjson", ".json", ".csv", ".parquet")
_TEXT_FORMATS = _FORMATS[:-1]


@dataclass(frozen=True, slots=True)
class Record:
    """One row and where it came from."""

    place: str
    """For messages: ``"line 7 of 'FILE'"``."""
    fields: Mapping[str, object]


def read_records(path: Path, *, split: str | None = None, kind: str | None = None) -> Iterator[Record]:
    """Yield the rows of a data file, or of a folder of such files.

    Args:
        path: ``.jsonl``, ``.ndjson``, ``.json`` (a list of objects), ``.csv``, each also with ``.gz``;
            ``.parquet``; a folder of these, or one that ``datasets`` saved.
        split: in a folder, only the files with this in their name, where there are any.
        kind: of a file whose name does not say it: its ending, ``.jsonl`` say.

    Raises:
        DataError: the file is missing, of an unknown kind, or broken; the message names file and line.
        MissingExtra: the library for this kind of file is not installed.
    """
    if path.is_dir():
        yield from _read_folder(path, split)
        return
    if not path.is_file():
        raise DataError(f"there is no data file {str(path)!r}; check the path.")
    suffix, compressed = _suffix(path)
    suffix = kind or suffix
    if suffix == ".parquet" and not compressed:
        yield from _read_parquet(path)
    elif suffix in _TEXT_FORMATS:
        yield from _read_text(path, suffix, compressed=compressed)
    else:
        known = ", ".join(_FORMATS)
        raise DataError(
            f"{str(path)!r} is no data file of a known kind; use one of {known} (text also as .gz)."
        )


def _suffix(path: Path) -> tuple[str, bool]:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compressed = suffixes[-1:] == [".gz"]
    rest = suffixes[:-1] if compressed else suffixes
    return (rest[-1] if rest else ""), compressed


def _read_folder(path: Path, split: str | None) -> Iterator[Record]:
    if any(path.glob("dataset_info.json")) or (path / "dataset_dict.json").is_file():
        yield from _read_saved(path, split)
        return
    files = sorted(file for file in path.rglob("*") if file.is_file() and _suffix(file)[0] in _FORMATS)
    chosen = [file for file in files if split is not None and split in file.name] or files
    if not chosen:
        raise DataError(f"the folder {str(path)!r} holds no data files ({', '.join(_FORMATS)}).")
    for file in chosen:
        yield from read_records(file)


def _read_saved(path: Path, split: str | None) -> Iterator[Record]:
    """Read a folder written by ``Dataset.save_to_disk`` or ``DatasetDict.save_to_disk``."""
    try:
        import datasets
    except ImportError as error:
        raise MissingExtra("datasets", "evals") from error
    try:
        saved = datasets.load_from_disk(str(path))
    except Exception as error:  # whatever the library raises, the folder cannot be read
        raise DataError(f"the data folder {str(path)!r} cannot be read: {_first_line(error)}.") from error
    if isinstance(saved, Mapping):
        if split not in saved:
            have = ", ".join(map(str, saved))
            raise DataError(f"the data folder {str(path)!r} has no split {split!r}; it has: {have}.")
        saved = saved[split]
    yield from number_rows(cast("Iterable[Mapping[str, object]]", saved), str(path))


def _read_parquet(path: Path) -> Iterator[Record]:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtra("pyarrow", "evals") from error
    try:
        rows = parquet.read_table(path).to_pylist()
    except Exception as error:  # whatever the library raises, the file cannot be read
        raise DataError(f"the data file {str(path)!r} cannot be read: {_first_line(error)}.") from error
    yield from number_rows(rows, str(path))


def number_rows(rows: Iterable[Mapping[str, object]], source: str) -> Iterator[Record]:
    """Yield rows as records that know their number, from 1."""
    for number, row in enumerate(rows, start=1):
        yield Record(f"row {number} of {source!r}", row)


def _read_text(path: Path, suffix: str, *, compressed: bool) -> Iterator[Record]:
    readers: dict[str, Callable[[BinaryIO, str], Iterator[Record]]] = {
        ".jsonl": _read_jsonl,
        ".ndjson": _read_jsonl,
        ".json": _read_json,
        ".csv": _read_csv,
    }
    with gzip.open(path) if compressed else path.open("rb") as file:
        try:
            yield from readers[suffix](cast("BinaryIO", file), str(path))
        except (UnicodeDecodeError, EOFError, OSError, zlib.error) as error:
            raise DataError(f"the data file {str(path)!r} cannot be read: {_first_line(error)}.") from error


def _read_jsonl(file: BinaryIO, source: str) -> Iterator[Record]:
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        place = f"line {number} of {source!r}"
        try:
            row = json.loads(line.rstrip())  # bytes: what is not UTF-8 is found in its own line
        except json.JSONDecodeError as error:
            where = f"{error.msg} at column {error.colno}"
            raise DataError(f"{place} is not JSON ({where}); mend the line or take it out.") from error
        except (ValueError, RecursionError) as error:
            raise DataError(
                f"{place} is not JSON ({_first_line(error)}); mend the line or take it out."
            ) from error
        yield Record(place, _object(row, place))


def _read_json(file: BinaryIO, source: str) -> Iterator[Record]:
    try:
        document = json.loads(file.read())
    except json.JSONDecodeError as error:
        raise DataError(f"line {error.lineno} of {source!r} is not JSON: {error.msg}.") from error
    except RecursionError as error:
        raise DataError(f"{source!r} is nested too deeply to be read.") from error
    if not isinstance(document, list):
        raise DataError(f"{source!r} must hold a list of objects, not {type(document).__name__}.")
    for number, row in enumerate(cast("list[object]", document), start=1):
        place = f"item {number} of {source!r}"
        yield Record(place, _object(row, place))


def _object(row: object, place: str) -> Mapping[str, object]:
    if not isinstance(row, dict):
        raise DataError(f"{place} must be an object with named fields, not {type(row).__name__}.")
    return cast("dict[str, object]", row)


def _read_csv(file: BinaryIO, source: str) -> Iterator[Record]:
    with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
        reader = csv.DictReader(text, strict=True)
        while True:
            try:
                row = next(reader, None)
            except csv.Error as error:  # the line it fails on is not counted yet
                raise DataError(f"line {reader.line_num + 1} of {source!r} is not CSV: {error}.") from error
            if row is None:
                return
            place = f"line {reader.line_num} of {source!r}"
            if None in row or None in row.values():
                expected = len(cast("Sequence[str]", reader.fieldnames))
                raise DataError(f"{place} does not have {expected} columns, as the first line does.")
            yield Record(place, row)


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
