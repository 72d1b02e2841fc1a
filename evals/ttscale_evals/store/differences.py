"""In what two resolved configs differ, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

_FREE_FIELDS: Final = ("concurrency", "total_budget", "record", "traces", "out")
"""Fields that a resumed run may change: no result depends on them."""

_LISTS: Final = ("benchmarks", "strategies")


def differences(before: Mapping[str, object], now: Mapping[str, object]) -> Sequence[str]:
    """Return a phrase for each difference that matters to results; none: a run of one can go on with the other.

    Args:
        before: the plain form of a resolved config, see `EvalConfig.plain`.
        now: of the other.
    """
    found = list[str]()
    for name in {**before, **now}:
        if name in _LISTS:
            found += _between_lists(name, _by_label(before.get(name)), _by_label(now.get(name)))
        elif name not in _FREE_FIELDS and before.get(name) != now.get(name):
            found.append(f"{name} was {before.get(name)!r} and is now {now.get(name)!r}")
    return found


def _by_label(entries: object) -> Mapping[str, Mapping[str, object]]:
    listed = cast("Sequence[Mapping[str, object]]", entries) if isinstance(entries, list) else ()
    return {str(entry.get("label")): {"name": entry.get("name"), **_params(entry)} for entry in listed}


def _params(entry: Mapping[str, object]) -> Mapping[str, object]:
    return cast("Mapping[str, object]", entry.get("params") or {})


def _between_lists(
    name: str, before: Mapping[str, Mapping[str, object]], now: Mapping[str, Mapping[str, object]]
) -> Iterator[str]:
    yield from (f"{name} had {label!r}, which is gone" for label in before if label not in now)
    yield from (f"{name} have {label!r}, which is new" for label in now if label not in before)
    for label in before:
        old, new = before[label], now.get(label, before[label])
        for key in {**old, **new}:
            if old.get(key) != new.get(key):
                yield f"{key} of {label!r} was {old.get(key)!r} and is now {new.get(key)!r}"
    if list(before) != list(now) and set(before) == set(now):
        yield f"{name} stand in another order"
