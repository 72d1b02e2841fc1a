"""In what two resolved configs differ, in words, apart from what may be changed when a run is resumed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

RAISABLE: Final = ("benchmarks", "strategies", "models", "budgets", "limit")
"""Fields that a resumed run may have more in: what is there already stays as it is."""

_FREE_FIELDS: Final = ("concurrency", "turns", "total_budget", "record", "reuse", "traces", "out")
"""Fields that a resumed run may change: no result depends on them."""

_SHORT_FORMS: Final = ("model", "model_options", "budget")


def differences(before: Mapping[str, object], now: Mapping[str, object]) -> Sequence[str]:
    """Return a phrase for each difference that matters to results; none: a run of one can go on with the other.

    Args:
        before: the plain form of a resolved config, see `EvalConfig.plain`.
        now: of the other.
    """
    found = [*_of_models(before, now), *_of_budgets(before, now)]
    for name in ("benchmarks", "strategies"):
        found += _between_lists(name, _by_label(before.get(name)), _by_label(now.get(name)))
    if not _is_enough(before.get("limit"), now.get("limit")):
        found.append(f"limit was {before.get('limit')!r} and is now {now.get('limit')!r}")
    for name in {**before, **now}:
        is_judged = name in (*RAISABLE, *_SHORT_FORMS, *_FREE_FIELDS)
        if not is_judged and before.get(name) != now.get(name):
            found.append(f"{name} was {before.get(name)!r} and is now {now.get(name)!r}")
    return found


def _is_enough(before: object, now: object) -> bool:
    """Whether a limit leaves all problems in that another one did; ``None`` is no limit."""
    return now is None or (isinstance(before, int) and isinstance(now, int) and now >= before)


# ── models and budgets ────────────────────────────────────────────────────────────────────────────────────


def _of_models(before: Mapping[str, object], now: Mapping[str, object]) -> Iterator[str]:
    old, new = _models(before), _models(now)
    if len(old) == len(new) == 1 and list(old) != list(new):
        yield f"model was {next(iter(old))!r} and is now {next(iter(new))!r}"
        return
    for title in old:
        if title not in new:
            yield f"models had {title!r}, which is gone"
        elif old[title] != new[title]:
            yield from _between(title, old[title], new[title])


def _models(config: Mapping[str, object]) -> Mapping[str, Mapping[str, object]]:
    """Return models with their options by title."""
    listed = cast("Sequence[Mapping[str, object]]", config.get("models") or [])
    if not listed:
        listed = [{"model": config.get("model"), "options": config.get("model_options")}]
    return {str(_title(entry)): {"model": entry.get("model"), **_mapping(entry, "options")} for entry in listed}


def _title(entry: Mapping[str, object]) -> object:
    return entry.get("label") or _mapping(entry, "options").get("recorded") or entry.get("model")


def _of_budgets(before: Mapping[str, object], now: Mapping[str, object]) -> Iterator[str]:
    old, new = _budgets(before), _budgets(now)
    if len(old) == len(new) == 1 and old != new:
        yield f"budget was {old[0]!r} and is now {new[0]!r}"
        return
    yield from (f"budgets had {budget!r}, which is gone" for budget in old if budget not in new)


def _budgets(config: Mapping[str, object]) -> Sequence[object]:
    listed = config.get("budgets")
    return cast("Sequence[object]", listed) if isinstance(listed, list) else [config.get("budget")]


# ── benchmarks and strategies ─────────────────────────────────────────────────────────────────────────────


def _by_label(entries: object) -> Mapping[str, Mapping[str, object]]:
    listed = cast("Sequence[Mapping[str, object]]", entries) if isinstance(entries, list) else ()
    return {
        str(entry.get("label")): {"name": entry.get("name"), **_mapping(entry, "params")} for entry in listed
    }


def _mapping(entry: Mapping[str, object], name: str) -> Mapping[str, object]:
    return cast("Mapping[str, object]", entry.get(name) or {})


def _between_lists(
    name: str, before: Mapping[str, Mapping[str, object]], now: Mapping[str, Mapping[str, object]]
) -> Iterator[str]:
    yield from (f"{name} had {label!r}, which is gone" for label in before if label not in now)
    for label, old in before.items():
        yield from _between(label, old, now.get(label, old))


def _between(label: str, old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    for key in {**old, **new}:
        if old.get(key) != new.get(key):
            yield f"{key} of {label!r} was {old.get(key)!r} and is now {new.get(key)!r}"
