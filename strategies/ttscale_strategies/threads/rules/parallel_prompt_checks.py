"""Whether a schema may be trusted: it must be there in the prompt word for word, and its items independent.

All of it is plain comparison of words and regular expressions without nested repetition, on bounded text: the
time is linear in the prompt, whatever the prompt and the schema.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

from ttscale_strategies.threads.rules.parallel_prompt_schema import CONTEXT, DATA, PromptSchema

Confidence: TypeAlias = Literal["high", "medium", "low"]

MAX_PROMPT_CHARACTERS: Final = 100_000
"""Longer prompts are not split."""
MAX_STRANGE_SHARE: Final = 0.5
"""Of the words of a template, and of the prompt's instruction, how many the other may lack."""
NUMBER_WORDS: Final = {
    word: number
    for number, word in enumerate(
        ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), start=2
    )
} | {"fifteen": 15, "twenty": 20, "dozen": 12}
"""Numbers that are read as words."""

_WORD: Final = re.compile(r"[^\W\d_]+")
_NUMBER: Final = re.compile(r"\b\d{1,4}\b|[a-z]+")
_MARKS: Final = " \t\n-*•+().0123456789"
"""Of list markers."""

JOINT: Final = re.compile(
    r"\b(?:compare|comparison|contrast|differences? between|relationship|rank|ranking|sort|sorted|order|ordered"
    r"|arrange|group|match|merge|combine|combined|altogether|total|overall|in common|each other|one another"
    r"|together|simultaneous(?:ly)?|system of|best|worst|most|least|who|whose|choose|pick|select|decide"
    r"|in a single|into one|(?:one|any|all|some) of the following"
    r"|step by step|without repeating|no two|all different|as a whole)\b"
)
"""Words of an instruction that make one task of several."""
COMPOSED: Final = re.compile(
    r"\b(?:in|into|with|using|from|about|containing|including|between|among|through|by|to)"
    r" (?:all|each|these|those|the following|only)\b"
)
"""Words of an instruction that make one thing out of the items."""
DEPENDENT: Final = re.compile(
    r"^\W{0,3}(?:and|then|so|therefore|next|finally|also|after that|otherwise|if so|if not)\b"
    r"|\b(?:previous|above|preceding|aforementioned|former|latter|again|then|instead|likewise)\b"
    r"|\bthe (?:result|answer|output|outcome|sum|product|total|difference)\b(?! (?:of|between|to)\b)"
    r"|\b(?:question|item|part|step|task|problem|exercise|number|point) #?\d{1,3}\b"
    r"|\bthe (?:first|second|third|other|last|same|next) "
    r"(?:question|one|answer|result|item|part|step|task|number)\b"
    r"|\b(?:your|that|this|these|those) (?:answers?|results?|outputs?|numbers?|values?|choices?)\b"
)
"""Words of an item that refer to another one."""

_COUNTED: Final = re.compile(
    r"\b(?:write|generate|give|list|create|make|suggest|produce|provide|name|compose|draft|propose|invent|tell)"
    r"(?: me| us)?(?: exactly| about| another)?"
    r" (?:\d{1,3}|" + "|".join(NUMBER_WORDS) + r")\b"
)
_NUMBERED: Final = re.compile(r"(?:^|\s)\(?\d{1,3}[.)](?=\s)")
_BULLET: Final = re.compile(r"^[ \t]{0,8}[-*•+][ \t]", re.MULTILINE)
_MULTIPLE: Final = re.compile(r"\b(?:each|every|all|both|following|these|several|multiple|respectively)\b")
_FOR_EACH: Final = re.compile(r"\b(?:for|of) (?:each|every)\b")
_PLURAL_LIST: Final = re.compile(r"\b[^\W\d_]{2,30}s ?:")
_MEDIUM_CATEGORIES: Final = ("reading comprehension", "named entity recognition", "translation")
_MEDIUM_ITEMS: Final = 3


def doubt(schema: PromptSchema, prompt: str, *, max_instances: int) -> str | None:
    """Return why a schema is not to be trusted; ``None``: nothing speaks against it.

    Context and items must be in the prompt, the items in order, each behind the one before. What is left, the
    instruction, must have about the same words as the template. Neither may it make one task of the items,
    nor an item refer to another. n must be said in the prompt. White space and case do not count.

    Args:
        schema: of the prompt.
        prompt: what the user said.
        max_instances: most prompts that it may stand for.
    """
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        return f"the prompt has more than {MAX_PROMPT_CHARACTERS} characters"
    if schema.num_instances > max_instances:
        return f"there would be {schema.num_instances} instances, more than {max_instances}"
    strange = [field for field in schema.unknown_fields if field not in prompt]
    if strange:
        return f"the template has an unknown place {strange[0]!r}"
    said = _plain(prompt)
    if schema.context is not None:
        said, is_found = _without_context(said, _plain(schema.context))
        if not is_found:
            return "the context is not in the prompt"
    if schema.data is None:
        return _doubt_of_count(schema, said)
    return _doubt_of_items(schema, schema.data, said)


def _doubt_of_count(schema: PromptSchema, said: str) -> str | None:
    named = {int(word) if word.isdecimal() else NUMBER_WORDS.get(word) for word in _NUMBER.findall(said)}
    if schema.n not in named:
        return f"the prompt does not say {schema.n}"
    return _doubt_of_instruction(schema, said)


def _doubt_of_items(schema: PromptSchema, data: tuple[str, ...], said: str) -> str | None:
    places = _places([_plain(item) for item in data], said)
    if places is None:
        return "the items are not in the prompt in this order"
    bounds = [0, *(bound for place in places for bound in place), len(said)]
    left = " ".join(said[start:end] for start, end in zip(bounds[::2], bounds[1::2], strict=True))
    if said[: bounds[1]].rstrip(_MARKS).endswith("?") and not all(item.rstrip().endswith("?") for item in data):
        return "the items may be choices of one question"
    for number, item in enumerate(data, start=1):
        if DEPENDENT.search(_plain(item)):
            return f"item {number} may refer to another one"
    if found := COMPOSED.search(left):
        return f"{found[0]!r} may make one thing of all"
    return _doubt_of_instruction(schema, left)


def _doubt_of_instruction(schema: PromptSchema, instruction: str) -> str | None:
    template = _plain(schema.template.replace(DATA, " ").replace(CONTEXT, " "))
    for text in (instruction, template):
        if found := JOINT.search(text):
            return f"{found[0]!r} may make one task of all"
    said, kept = _words(instruction), _words(template)
    if said and len(said - kept) / len(said) > MAX_STRANGE_SHARE:
        return "the template leaves out much of what the prompt says"
    if kept and len(kept - said) / len(kept) > MAX_STRANGE_SHARE:
        return "the template says much that the prompt does not"
    return None


def confidence(schema: PromptSchema, prompt: str) -> Confidence:
    """Return how clearly a prompt shows that it holds several tasks, by the paper's marks.

    ``"high"``: a count that is named, two numbered items or bullets, several question marks, or a word for
    many with items; ``"medium"``: three items in one line with commas, "for each", a plural before a colon, a
    category of which it is typical, or three items; else ``"low"``. What the context holds does not count.

    Args:
        schema: of the prompt.
        prompt: what the user said; only `MAX_PROMPT_CHARACTERS` of it are read.
    """
    text = prompt[:MAX_PROMPT_CHARACTERS]
    if schema.context is not None:
        text = text.replace(schema.context.strip(), " ", 1)
    said, data = text.casefold(), schema.data or ()
    if (
        _COUNTED.search(_plain(said))
        or len(_NUMBERED.findall(said)) > 1
        or len(_BULLET.findall(said)) > 1
        or said.count("?") > 1
        or (data and _MULTIPLE.search(said))
    ):
        return "high"
    if (
        any(line.count(",") >= _MEDIUM_ITEMS - 1 for line in said.splitlines())
        or _FOR_EACH.search(said)
        or (data and _PLURAL_LIST.search(said))
        or _plain(schema.category.replace("_", " ")) in _MEDIUM_CATEGORIES
        or len(data) >= _MEDIUM_ITEMS
    ):
        return "medium"
    return "low"


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _words(text: str) -> set[str]:
    """Return the words of a plain text, a plural as its singular."""
    return {word.removesuffix("s") for word in _WORD.findall(text)}


def _without_context(said: str, context: str) -> tuple[str, bool]:
    before, found, after = said.partition(context)
    return f"{before} {after}", bool(found)


def _places(items: list[str], said: str) -> list[tuple[int, int]] | None:
    """Return where items are as whole words, each behind the one before; ``None``: one of them is not."""
    places, end = list[tuple[int, int]](), 0
    for item in items:
        start = said.find(item, end)
        while start >= 0 and not _is_whole(said, start, start + len(item)):
            start = said.find(item, start + len(item))
        if start < 0:
            return None
        end = start + len(item)
        places.append((start, end))
    return places


def _is_whole(said: str, start: int, end: int) -> bool:
    """Whether a piece of a text neither begins nor ends within a word."""
    begins = not (start and said[start - 1].isalnum() and said[start].isalnum())
    return begins and not (end < len(said) and said[end - 1].isalnum() and said[end].isalnum())
