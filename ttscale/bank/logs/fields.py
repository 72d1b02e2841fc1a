"""Named values of somebody else's JSON, each checked as it is read; every mistake has its place."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Final, cast

from ttscale.errors import DataError

_MAX_SHOWN: Final = 80
_MAX_NUMBER: Final = 1e300


class Fields:
    """A JSON object and where it stands. What is null counts as missing."""

    def __init__(self, values: Mapping[str, object], place: str) -> None:
        """Wrap an object.

        Args:
            values: by name.
            place: for messages, as in ``"line 7 of 'FILE'"``.
        """
        self.values = values
        self.place = place

    @classmethod
    def of(cls, value: object, place: str) -> Fields:
        """Wrap a value that must be an object.

        Raises:
            DataError: it is something else.
        """
        if not isinstance(value, dict):
            raise DataError(f"{place} must be an object with named fields, not {type(value).__name__}.")
        return cls(cast("dict[str, object]", value), place)

    def __contains__(self, name: str) -> bool:
        return self.values.get(name) is not None

    def wrong(self, name: str, what: str) -> DataError:
        """Return the error of a field that is not what it must be."""
        value = self.values.get(name)
        shown = repr(value)
        shown = shown if len(shown) <= _MAX_SHOWN else shown[:_MAX_SHOWN] + "…"
        found = f"{name}={shown} is not {what}" if name in self.values else f"has no {name!r}, {what}"
        return DataError(f"{self.place}{':' if name in self.values else ''} {found}; the log is damaged.")

    def inner(self, name: str) -> Fields:
        """Return an object within; an empty one where there is none."""
        value = self.values.get(name)
        if value is None:
            return Fields({}, self.place)
        if not isinstance(value, dict):
            raise self.wrong(name, "an object")
        return Fields(cast("dict[str, object]", value), self.place)

    def items(self, name: str) -> Sequence[object]:
        """Return a list within; an empty one where there is none."""
        value = self.values.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise self.wrong(name, "a list")
        return cast("list[object]", value)

    def objects(self, name: str) -> list[Fields]:
        """Return the objects of a list within."""
        return [Fields.of(item, f"an item of {name!r} in {self.place}") for item in self.items(name)]

    def text(self, name: str) -> str | None:
        """Return text."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise self.wrong(name, "text")
        return value

    def name(self, name: str) -> str:
        """Return the name of something, text or a number, which must be there."""
        value = self.values.get(name)
        is_name = isinstance(value, str | int) and not isinstance(value, bool) and value != ""
        if not is_name or not _is_encodable(str(value)):
            raise self.wrong(name, "a name")
        return str(value)

    def whole(self, name: str) -> int | None:
        """Return a whole number >= 0."""
        value = self.number(name)
        if value is not None and not (value.is_integer() and value < 2**63):
            raise self.wrong(name, "a whole number")
        return None if value is None else int(cast("float", self.values[name]))

    def number(self, name: str) -> float | None:
        """Return a number >= 0."""
        value = self.values.get(name)
        if value is None:
            return None
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < _MAX_NUMBER:
            raise self.wrong(name, "a number >= 0")
        return float(value)


def load_json(content: bytes | str, place: str) -> object:
    """Read JSON text.

    Raises:
        DataError: it is none.
    """
    try:
        return json.loads(content)
    except RecursionError as error:
        raise DataError(f"{place} is nested too deeply to be read.") from error
    except ValueError as error:  # no JSON, or no UTF-8
        raise DataError(f"{place} is not JSON ({error}); get an undamaged copy of the log.") from error


def _is_encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
