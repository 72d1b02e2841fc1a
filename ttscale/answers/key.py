"""The canonical form of an answer: equal keys are the same answer."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Final

from ttscale.answers.arithmetic import read_arithmetic
from ttscale.answers.numbers import read_number

MAX_KEY_CHARACTERS: Final = 10_000
"""The key of a longer answer is a digest."""

_MAX_ROUNDS: Final = 6

_CHARACTERS: Final = str.maketrans(
    {
        "$": None,
        "\u2061": None,
        "°": None,
        "−": "-",
        "–": "-",
        "⁄": "/",
        "÷": "/",
        "×": "*",
        "·": "*",
        "∙": "*",
        "≤": "<=",
        "≥": ">=",
        "≠": "!=",
        "π": "\\pi ",
        "∞": "\\infty ",
        "~": " ",
    }
)

_WRAPPERS: Final = re.compile(r"text(?:bf|it|rm|sf|tt)?|mbox|emph|math(?:rm|bf|it|sf|tt)|boxed|fbox")
_DROPPED: Final = re.compile(r"left|right|[Bb]igg?[lr]?|(?:display|text)style|limits|degree|[!()\[\]]")
_RENAMED: Final = {
    "dfrac": "\\frac",
    "tfrac": "\\frac",
    "cfrac": "\\frac",
    "cdot": "*",
    "times": "*",
    "div": "/",
    "le": "<=",
    "leq": "<=",
    "ge": ">=",
    "geq": ">=",
    "ne": "!=",
    "neq": "!=",
    "quad": " ",
    "qquad": " ",
    ",": " ",
    ";": " ",
    ":": " ",
    " ": " ",
    "$": "",
    "%": "%",
    "#": "#",
    "&": "&",
    "_": "_",
}

_PLAIN_INTEGER: Final = re.compile(r"0|-?[1-9][0-9]{0,30}")
_TOKEN: Final = re.compile(r"\\(?P<command>[A-Za-z]+|.)|[{}]|[^\\{}]+|\\", re.DOTALL)
_THIN_THOUSANDS: Final = re.compile(r"(?<=[0-9])(?:\{,\}|,?\\[,!])(?=[0-9]{3})")
_DEGREES: Final = re.compile(r"\^ ?(?:\\circ(?![A-Za-z])|\{ ?\\circ ?\})")
_SPACED_COMMA: Final = re.compile(r" ?,(?: |(?![0-9]{3}(?![0-9]))|(?<![0-9],)) ?")
_SPACED_SIGN: Final = re.compile(r" ?([-+*/=<>^_:;|(){}\[\]!%]) ?")
_SPACED_COMMAND: Final = re.compile(r" ?(\\[A-Za-z]+)(?: (?![A-Za-z]))?")
_SHORT_TOP: Final = re.compile(r"\\frac ?([0-9])")
_SHORT_BOTTOM: Final = re.compile(r"\\frac\{([^{}]*)\} ?([0-9A-Za-z])")
_SHORT_ROOT: Final = re.compile(r"\\sqrt ?([0-9])")
_SHORT_SCRIPT: Final = re.compile(r"([\^_])\{([0-9A-Za-z])\}")
_CHOICE: Final = re.compile(r"\(?([A-Za-z])\)")


def answer_key(answer: str | None) -> str | None:
    r"""Return the canonical form of an answer; ``None`` for no answer and for an empty one.

    Two answers with equal keys are the same answer. Numbers are compared exactly: ``0.5``, ``\frac12``, ``1/2``
    and ``$0.50`` share the key ``"1/2"``, and ``1,000``, ``1e3`` and ``1000`` the key ``"1000"``. Percent
    signs, currency signs and common units after a number are left out, as graders of mathematics do: ``50\%``
    is ``50``. Any other answer becomes its text with LaTeX spacing, wrappers such as ``\text{…}``, and letter
    case (where no LaTeX command is left) removed. Sums and products of integers are computed, ``(7-3)*6`` is
    ``24``; other formulas are not: `AnswerClasses` compares those.

    Pure, idempotent, and bounded in time and memory: no number has more than 3,000 digits.
    """
    return None if answer is None else _key(answer)


@lru_cache(maxsize=1024)
def _key(answer: str) -> str | None:
    if _PLAIN_INTEGER.fullmatch(answer):
        return answer
    if len(answer) > MAX_KEY_CHARACTERS:
        return _digest(answer)
    text = _fully_cleaned(answer)
    if text is None or len(text) > MAX_KEY_CHARACTERS:
        return _digest(text or answer)
    number = read_number(text)
    if number is None:
        number = read_arithmetic(text)
    return str(number) if number is not None else text or None


def _fully_cleaned(text: str) -> str | None:
    """Clean until nothing changes; ``None`` if that takes long, as only text made for it does."""
    for _ in range(_MAX_ROUNDS):
        cleaned = _clean(text)
        if cleaned == text:
            return text
        text = cleaned
    return None


def _digest(text: str) -> str | None:
    words = " ".join(text.casefold().split())
    return "sha256:" + hashlib.sha256(words.encode("utf-8", "surrogatepass")).hexdigest() if words else None


def _clean(text: str) -> str:
    """Normalise once; `answer_key` repeats it until nothing changes."""
    if "\\" in text or "{" in text:
        text = _rewrite_latex(text)
    text = " ".join(text.translate(_CHARACTERS).split()).strip("*` ").rstrip(".,;: ").replace("**", "^")
    text = _SPACED_COMMA.sub(", ", _SPACED_SIGN.sub(r"\1", text))
    choice = _CHOICE.fullmatch(text)
    text = choice[1] if choice else text
    return text if "\\" in text else text.casefold()


def _rewrite_latex(text: str) -> str:
    """Bring LaTeX into its plainest form."""
    text = _rewrite_commands(_THIN_THOUSANDS.sub(",", text))
    text = _DEGREES.sub("", text)
    text = _SHORT_BOTTOM.sub(r"\\frac{\1}{\2}", _SHORT_TOP.sub(r"\\frac{\1}", text))
    text = _SHORT_SCRIPT.sub(r"\1\2", _SHORT_ROOT.sub(r"\\sqrt{\1}", text))
    return _SPACED_COMMAND.sub(r"\1", text)


def _rewrite_commands(text: str) -> str:
    """Drop, rename and unwrap LaTeX commands in one pass."""
    written: list[str] = []
    is_wrapper: list[bool] = []  # of each open brace
    wraps_next = False
    for token in _TOKEN.finditer(text):
        command, word = token["command"], token.group()
        unwraps = command is not None and _WRAPPERS.fullmatch(command) is not None
        if word == "{":
            is_wrapper.append(wraps_next)
            written.append("" if wraps_next else word)
        elif word == "}":
            written.append("" if is_wrapper and is_wrapper.pop() else word)
        elif command is None:
            written.append(word)
        elif not unwraps and not _DROPPED.fullmatch(command):
            written.append(_RENAMED.get(command, word))
        wraps_next = unwraps
    return "".join(written)
