"""How far a text agrees with a reference: exact match and F1 of words, ROUGE, strings found. Pure functions."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, cast

from ttscale.types import JSON

MAX_CHARACTERS: Final = 20_000
"""Of a longer text only the beginning is compared."""

_ARTICLES: Final = re.compile(r"\b(?:a|an|the)\b")
_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
_THOUSANDS: Final = re.compile(r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))")
_FAN_OUT_PUNCTUATION: Final = str.maketrans(",.?!:;", "      ")
_ROUGE_WORD: Final = re.compile(r"[a-z0-9]+")


# ── SQuAD ─────────────────────────────────────────────────────────────────────────────────────────────────


def normalised(text: str) -> str:
    """Return a text as SQuAD compares it: lower case, without punctuation, articles and superfluous space.

    Rajpurkar et al. 2016, arXiv 1606.05250; HotpotQA (arXiv 1809.09600) and LLMCompiler compare likewise.
    """
    bare = text[:MAX_CHARACTERS].lower().translate(_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def exact_match(answer: str, reference: str) -> bool:
    """Whether two texts are the same once normalised."""
    return normalised(answer) == normalised(reference)


def word_f1(answer: str, reference: str) -> float:
    """Return the harmonic mean of precision and recall of normalised words, a repeated word counted as often.

    As HotpotQA has it: where one of them is yes, no or "noanswer", only the very same answer counts, 1 or 0.
    """
    given, wanted = normalised(answer), normalised(reference)
    if given != wanted and {given, wanted} & {"yes", "no", "noanswer"}:
        return 0.0
    return _f1(Counter(given.split()), Counter(wanted.split()))


def _f1(given: Counter[str], wanted: Counter[str]) -> float:
    common = (given & wanted).total()
    if not given and not wanted:
        return 1.0
    return 2 * common / (given.total() + wanted.total())


# ── FanOutQA ──────────────────────────────────────────────────────────────────────────────────────────────


def answer_strings(reference: JSON) -> list[str]:
    """Return the strings that an answer must hold: every item of a list, every key and value of an object.

    True and false are the words yes and no. Nested lists and objects are gone through.
    """
    if isinstance(reference, bool):
        return ["yes" if reference else "no"]
    if isinstance(reference, Mapping):
        parts = [part for pair in reference.items() for part in pair]
        return [text for part in parts for text in answer_strings(part)]
    if isinstance(reference, Sequence) and not isinstance(reference, str):
        return [text for part in reference for text in answer_strings(part)]
    return [str(reference)]


def loose_accuracy(answer: str, reference: JSON) -> float:
    """Return the share of an answer's strings that are found in a text, in [0, 1] (FanOutQA, arXiv 2402.14116).

    Both are put in lower case, without commas in numbers, the marks ``,.?!:;`` and accents; a string counts
    where it stands between word boundaries. The paper also reduces words to their lemmas with spaCy, which is
    left out here: "Cats" is not found where "cat" is written. A reference without strings is found.

    Args:
        answer: the text.
        reference: a string, number, truth value, list, or object of these.
    """
    text = _fan_out(answer)
    wanted = [_fan_out(found) for found in answer_strings(reference)]
    found = [bool(re.search(rf"(?<!\w){re.escape(part)}(?!\w)", text)) for part in wanted]
    return sum(found) / len(found) if found else 1.0


def strict_accuracy(answer: str, reference: JSON) -> float:
    """Return 1 where all of an answer's strings are found in a text, else 0; see `loose_accuracy`."""
    return float(loose_accuracy(answer, reference) == 1.0)


def _fan_out(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text[:MAX_CHARACTERS].lower())
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return " ".join(_THOUSANDS.sub("", plain).translate(_FAN_OUT_PUNCTUATION).split())


# ── ROUGE ─────────────────────────────────────────────────────────────────────────────────────────────────


def rouge_n(answer: str, reference: str, n: int) -> float:
    """Return ROUGE-n as F1 of runs of n words, in [0, 1] (Lin 2004); 0 where one of them has no such run.

    Words are runs of the letters a to z and digits in lower case. Words are not stemmed, which the paper of
    FanOutQA does.

    Args:
        answer: the text; of a long one the first `MAX_CHARACTERS`.
        reference: what it is compared with.
        n: >= 1.

    Raises:
        ValueError: n < 1.
    """
    if n < 1:
        raise ValueError(f"n must be >= 1, got {n!r}")
    given, wanted = (_runs(_rouge_words(text), n) for text in (answer, reference))
    common = (given & wanted).total()
    total = given.total() + wanted.total()
    return 2 * common / total if given and wanted else 0.0


def rouge_l(answer: str, reference: str) -> float:
    """Return ROUGE-L as F1 of the longest common subsequence of words, in [0, 1]; words as in `rouge_n`."""
    given, wanted = _rouge_words(answer), _rouge_words(reference)
    if not given or not wanted:
        return 0.0
    return 2 * _common_length(given, wanted) / (len(given) + len(wanted))


def flat_text(reference: JSON) -> str:
    """Return an answer of any shape as the text that ROUGE compares: its strings with spaces between them."""
    return " ".join(answer_strings(reference))


def _rouge_words(text: str) -> list[str]:
    return cast("list[str]", _ROUGE_WORD.findall(text[:MAX_CHARACTERS].lower()))


def _runs(words: Sequence[str], n: int) -> Counter[str]:
    return Counter(" ".join(words[start : start + n]) for start in range(len(words) - n + 1))


def _common_length(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, row by row."""
    lengths = [0] * (len(second) + 1)
    for word in first:
        diagonal = 0
        for place, other in enumerate(second, start=1):
            above = lengths[place]
            lengths[place] = diagonal + 1 if word == other else max(above, lengths[place - 1])
            diagonal = above
    return lengths[-1]
