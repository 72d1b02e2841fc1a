"""Arguments of a call as a planner writes them: Python or JSON literals and references, read and never run."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

from ttscale.types import JSON
from ttscale_strategies.dag.references import reference

MAX_DEPTH: Final = 16
"""Most brackets within each other."""

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,300}(?:\.[0-9]{0,300})?|\.[0-9]{1,300})(?:[eE][+-]?[0-9]{1,3})?")
_REFERENCE: Final = re.compile(r"\$(?:\{([\w.'-]{1,64})\}|([0-9]{1,6})(?!\w))", re.ASCII)
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_KEYWORD: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]{0,63})\s*=(?!=)", re.ASCII)
_STRING: Final = re.compile(r"'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\"")
_ESCAPE: Final = re.compile(r"\\(?:x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|([\\'\"/ntrbf]))")
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}
_SPACE: Final = re.compile(r"\s*")
_WORDS: Final[dict[str, JSON]] = {
    **{"True": True, "False": False, "None": None},
    **{"true": True, "false": False, "null": None},
}


@dataclass(frozen=True, slots=True)
class Arguments:
    """What stands between the brackets of a call."""

    positional: tuple[JSON, ...] = ()
    keywords: tuple[tuple[str, JSON], ...] = ()


def parse_arguments(text: str) -> Arguments:
    """Read arguments: ``1, "a", [$2, 3], limit=4``. A tuple is read as a list.

    Raises:
        ValueError: the text is nothing of the kind; the message says where.
    """
    reader = _Reader(text)
    positional, keywords = list[JSON](), list[tuple[str, JSON]]()
    while not reader.at_end():
        name = reader.keyword()
        value = reader.value(0)
        if name is not None:
            keywords.append((name, value))
        elif keywords:
            raise ValueError("an argument without a name stands behind one with a name")
        else:
            positional.append(value)
        if not reader.at_end():
            reader.expect(",")
    return Arguments(tuple(positional), tuple(keywords))


class _Reader:
    """A reader of literals that goes forward only, and no deeper than `MAX_DEPTH`."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def at_end(self) -> bool:
        self._skip_space()
        return self._at == len(self._text)

    def expect(self, mark: str) -> None:
        if not self._take(mark):
            raise self._wrong(f"{mark!r} is missing")

    def keyword(self) -> str | None:
        """Take ``name=`` if it comes next."""
        found = self._match(_KEYWORD)
        return None if found is None else found[1]

    def value(self, depth: int) -> JSON:
        """Take a value."""
        if depth > MAX_DEPTH:
            raise self._wrong(f"there are more than {MAX_DEPTH} brackets within each other")
        for opening, closing in (("[", "]"), ("(", ")")):
            if self._take(opening):
                return self._items(closing, depth)
        if self._take("{"):
            return self._pairs(depth)
        if found := self._match(_STRING):
            return self._string(found[0])
        if found := self._match(_REFERENCE):
            return reference(found[1] if found[1] is not None else str(int(found[2])))
        if found := self._match(_NUMBER):
            return self._number(found[0])
        if (found := self._match(_WORD)) and found[0] in _WORDS:
            return _WORDS[found[0]]
        raise self._wrong("a value is missing, or a text without quotation marks")

    def _items(self, closing: str, depth: int) -> list[JSON]:
        items = list[JSON]()
        while not self._take(closing):
            if items:
                self.expect(",")
                if self._take(closing):
                    break
            items.append(self.value(depth + 1))
        return items

    def _pairs(self, depth: int) -> dict[str, JSON]:
        pairs = dict[str, JSON]()
        while not self._take("}"):
            if pairs:
                self.expect(",")
                if self._take("}"):
                    break
            name = self.value(depth + 1)
            if not isinstance(name, str):
                raise self._wrong("a key is no text")
            if name in pairs:
                raise self._wrong(f"the key {name!r} occurs twice")
            self.expect(":")
            pairs[name] = self.value(depth + 1)
        return pairs

    @staticmethod
    def _string(token: str) -> str:
        text = _ESCAPE.sub(_unescaped, token[1:-1])
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # pairs become one character

    def _number(self, token: str) -> int | float:
        if not self._at_mark():
            raise self._wrong(f"{token!r} goes on as no number does")
        if re.fullmatch(r"[+-]?[0-9]+", token):
            return int(token)
        value = float(token)
        if not math.isfinite(value):
            raise self._wrong(f"the number {token!r} is too large")
        return value

    def _at_mark(self) -> bool:
        """Whether what comes next cannot be part of the number before it."""
        return not re.match(r"[\w.$'\"]", self._text[self._at : self._at + 1])

    def _take(self, mark: str) -> bool:
        self._skip_space()
        if self._text.startswith(mark, self._at):
            self._at += len(mark)
            return True
        return False

    def _match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        self._skip_space()
        found = pattern.match(self._text, self._at)
        if found is not None:
            self._at = found.end()
        return found

    def _skip_space(self) -> None:
        found = _SPACE.match(self._text, self._at)
        assert found is not None
        self._at = found.end()

    def _wrong(self, why: str) -> ValueError:
        return ValueError(f"{why} at character {self._at + 1}")


def _unescaped(found: re.Match[str]) -> str:
    """Return what an escape stands for; what is none stays as it is."""
    code = found[1] or found[2]
    return chr(int(code, 16)) if code else _ESCAPED.get(found[3], found[3])
