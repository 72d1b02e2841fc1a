"""From files of any kind to collections of samples, named and chosen."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final

from ttscale.bank.logs import find_log
from ttscale.database import is_database
from ttscale.errors import ConfigError, DataError
from ttscale.records import read_records
from ttscale_evals.curves.banks import read_bank
from ttscale_evals.curves.collection import Collection
from ttscale_evals.curves.rows import check_roles, read_rows

_ENDING: Final = re.compile(
    r"\.(?:jsonl|ndjson|json|csv|parquet|eval|sqlite3?|db)(?:\.gz)?$", flags=re.IGNORECASE
)
_EXPORT_MARK: Final = "ttscale_pool"
_EXPORT_FIELDS: Final = {"settings", "draw", "num_logprobs"}
"""Fields of the rows of an export in Parquet."""

_Questions = frozenset[tuple[str, str]]


def read_collections(paths: Sequence[Path], *, columns: Mapping[str, str]) -> list[Collection]:
    """Read pools.

    A benchmark that no pool names is called by its file's name, or, if several files hold the same problems, by
    the words that their names share.

    Args:
        paths: sample banks, exports of them, logs of other harnesses, and rows in any form that
            `ttscale.records.read_records` knows.
        columns: of rows, from role to field; of logs only ``prediction``, the scorer whose answers count.

    Raises:
        DataError: a file is missing or broken; the place is named.
        ConfigError: there is no such column, or two files hold samples of the same problem and model.
    """
    check_roles(columns)
    by_file = {_stem(path): _read(path, columns) for path in dict.fromkeys(paths)}
    if len(by_file) < len(set(paths)):
        raise ConfigError("two files have the same name but for folder and ending; rename one.")
    names = _benchmark_names(by_file)
    return _united(
        [
            collection if collection.benchmark else replace(collection, benchmark=names[stem])
            for stem, collections in by_file.items()
            for collection in collections
        ]
    )


def _stem(path: Path) -> str:
    return _ENDING.sub("", path.name)


def _read(path: Path, columns: Mapping[str, str]) -> list[Collection]:
    if path.is_dir():
        raise DataError(f"{str(path)!r} is a folder; name the files in it, as in {str(path / '*')!r}.")
    if path.is_file() and is_database(path):
        _refuse_columns(path, columns)
        found = read_bank(path)
    elif find_log(path) is not None:
        found = read_bank(path, scorer=columns.get("prediction"))
    else:
        records = read_records(path)
        first = next(records, None)
        if first is None:
            raise DataError(f"{str(path)!r} is empty; a pool has at least one sample.")
        if _EXPORT_MARK in first.fields or first.fields.keys() >= _EXPORT_FIELDS:
            _refuse_columns(path, columns)
            found = read_bank(path)
        else:
            found = read_rows(chain([first], records), columns=columns, name=_stem(path))
    if not any(asked.samples for collection in found for asked in collection.problems):
        raise DataError(f"{str(path)!r} holds no samples; record some first.")
    return found


def _refuse_columns(path: Path, columns: Mapping[str, str]) -> None:
    if columns:
        raise ConfigError(f"{str(path)!r} says itself what its columns are; leave --column out.")


# ── names ─────────────────────────────────────────────────────────────────────────────────────────────────


def _benchmark_names(by_file: Mapping[str, Sequence[Collection]]) -> Mapping[str, str]:
    """Return what to call the benchmark that a file does not name, by the file's name."""
    sharing = dict[_Questions, list[str]]()
    for stem, collections in by_file.items():
        asked = [one.problem for c in collections if not c.benchmark for one in c.problems]
        if asked:
            questions = frozenset((problem.id, problem.prompt.question) for problem in asked)
            sharing.setdefault(questions, []).append(stem)
    names = dict[str, str]()
    for stems in sharing.values():
        name = _shared_words(stems)
        taken = name in names.values()
        names |= dict.fromkeys(stems, f"{name} ({stems[0]})" if taken else name)
    return names


def _shared_words(stems: Sequence[str]) -> str:
    if len(stems) == 1:
        return stems[0]
    others = [set(re.split(r"[_\s]+", stem)) for stem in stems[1:]]
    words = [word for word in re.split(r"[_\s]+", stems[0]) if all(word in other for other in others)]
    return "_".join(words) or stems[0]


def _united(collections: Sequence[Collection]) -> list[Collection]:
    """Put together what several files hold of one model and benchmark."""
    found = dict[tuple[str, str], Collection]()
    for collection in collections:
        key = collection.model, collection.benchmark
        known = found.get(key)
        if known is None:
            found[key] = collection
            continue
        held = {asked.problem.id for asked in known.problems}
        twice = next((a.problem.id for a in collection.problems if a.problem.id in held), None)
        if twice is not None:
            raise ConfigError(
                f"two files hold samples of {collection.model!r} on the problem {twice!r} of "
                f"{collection.benchmark!r}; leave one out, or put their rows into one file."
            )
        problems = [*known.problems, *collection.problems]
        found[key] = replace(known, problems=problems, notes=[*known.notes, *collection.notes])
    return list(found.values())


# ── choice ────────────────────────────────────────────────────────────────────────────────────────────────


def choose(
    collections: Sequence[Collection], *, models: Sequence[str], benchmarks: Sequence[str]
) -> list[Collection]:
    """Return the collections that are asked for; no names: all.

    Args:
        collections: to choose from.
        models: names, or the last parts of names that are paths.
        benchmarks: names.

    Raises:
        ConfigError: nothing is so called.
    """
    found = _named(collections, models, "--recorded", lambda one: (one.model, Path(one.model).name))
    return _named(found, benchmarks, "--benchmark", lambda one: (one.benchmark,))


def _named(
    collections: Sequence[Collection],
    names: Sequence[str],
    option: str,
    called: Callable[[Collection], Sequence[str]],
) -> list[Collection]:
    for name in names:
        if not any(name in called(one) for one in collections):
            known = ", ".join(repr(name) for name in dict.fromkeys(called(one)[0] for one in collections))
            raise ConfigError(f"{option} {name!r} is not there; there are: {known[:1000]}.")
    return [one for one in collections if not names or not set(names).isdisjoint(called(one))]
