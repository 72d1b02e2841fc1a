"""Finding several tasks in a prompt by rules, without a model: lists, questions a line each, named counts.

The rules take what is plain and leave all else alone: a list that is split wrongly costs the answer, one that
is not split costs time. Every pattern is matched against single lines, or holds no nested repetition.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from ttscale_strategies.threads.rules.parallel_prompt_checks import MAX_PROMPT_CHARACTERS, NUMBER_WORDS
from ttscale_strategies.threads.rules.parallel_prompt_schema import CONTEXT, DATA, PromptSchema, Refused

_ITEM: Final = re.compile(r"([ \t]{0,8})(?:\(?(\d{1,3})[.)]|([-*•+]))[ \t]+(\S.*)")
_INLINE: Final = re.compile(r"(?:(?<=\s)|^)\(?(\d{1,3})[.)](?=\s)")
_SENTENCE_GOES_ON: Final = re.compile(r"[.!?;]\s+\S")
_SENTENCE_END: Final = re.compile(r"(?<=[.!?])\s+")
_VERBS: Final = (
    "translate|define|spell|correct|conjugate|classify|transliterate|pronounce|summari[sz]e|describe|explain"
    "|answer|solve|calculate|compute|evaluate|simplify|factor|differentiate|integrate|convert|paraphrase|rephrase"
    "|rewrite|label|tag|extract|identify|lemmatize|pluralize|abbreviate|capitali[sz]e"
)
_DISTRIBUTIVE: Final = re.compile(
    rf"(?:please |kindly |could you |can you )?(?:{_VERBS})\b"
    r"|.*\b(?:each|every|respectively|separately|individually|one by one)\b",
    re.IGNORECASE | re.DOTALL,
)
_COUNT: Final = re.compile(
    r"(?:please )?(?:write|generate|compose|create|draft|invent|tell)(?: me| us)?(?: exactly)?"
    rf" (\d{{1,3}}|{'|'.join(NUMBER_WORDS)})((?: [a-z-]{{1,30}}){{1,4}})",
    re.IGNORECASE,
)
_PARTS_OF_ONE: Final = frozenset({
    "words", "lines", "sentences", "paragraphs", "pages", "characters", "letters", "tokens",
    "minutes", "seconds", "hours", "verses", "stanzas", "chapters", "steps", "points", "bullets",
    "scenes", "acts", "parts", "sections", "functions", "methods", "classes", "files", "columns",
    "rows", "digits", "numbers",
})  # fmt: skip
"""Plurals of which several make one thing."""
_CATEGORY_BY_VERB: Final = (
    ("translat", "translation"),
    ("correct", "language correction"),
    ("sentiment", "sentiment analysis"),
    ("keyword", "keyword extraction"),
    ("entit", "named entity recognition"),
)
_MOST_WORDS_IN_COMMAS: Final = 5
_LEAST_COMMA_ITEMS: Final = 3


def schema_by_rules(prompt: str) -> PromptSchema | Refused:
    """Find a schema by rules; of several that fit the first counts.

    1. A list with a line for each item, numbered from 1 or with bullets; 2. numbered items within a line; 3.
    two or more questions a line each at the end, with what they are about before them; 4. three or more short
    items with commas behind a colon; 5. a count of things that are whole by themselves ("write 5 poems").

    Items of 1, 2 and 4 must be questions, or the sentence before them speak of each, or begin with something
    that is done to one thing after another ("translate"). What comes behind a list goes with every item.

    Args:
        prompt: what the user said; one of more than `MAX_PROMPT_CHARACTERS` is not read.
    """
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        return Refused(f"the prompt has more than {MAX_PROMPT_CHARACTERS} characters")
    if DATA in prompt or CONTEXT in prompt:
        return Refused("the prompt has a place to fill in itself")
    for rule in (_list_of_lines, _list_in_a_line, _questions, _behind_a_colon, _counted):
        found = rule(prompt.strip())
        if found is not None:
            return found
    return Refused("no rule finds several tasks in it")


# ── lists ─────────────────────────────────────────────────────────────────────────────────────────────────


def _list_of_lines(prompt: str) -> PromptSchema | Refused | None:
    lines = prompt.splitlines()
    found = [_ITEM.fullmatch(line) for line in lines]
    first = next((place for place, item in enumerate(found) if item is not None), None)
    if first is None or sum(item is not None for item in found) < 2:
        return None
    items, marks, end = list[str](), list[str](), len(lines)
    for place in range(first, len(lines)):
        item, line = found[place], lines[place]
        if item is not None:
            items.append(item[4].strip())
            marks.append(f"{item[1]}{item[3] or ''}")
            if item[2] is not None and int(item[2]) != len(items):
                return Refused("the items are not numbered 1, 2, 3, …")
        elif line[:1] in (" ", "\t") and line.strip():
            items[-1] += f"\n{line.strip()}"
        elif line.strip():
            if lines[place - 1].strip():
                return Refused(f"line {place + 1} may go on with an item or not")
            end = place
            break
    if len(set(marks)) > 1 or any(found[end:]):
        return Refused("there are lists within lists, or several")
    return _of_items("\n".join(lines[:first]), items, "\n".join(lines[end:]), "\n\n")


def _list_in_a_line(prompt: str) -> PromptSchema | Refused | None:
    marks = list(_INLINE.finditer(prompt))
    if len(marks) < 2 or "\n" in prompt[marks[0].start() : marks[-1].end()]:
        return None
    if [int(mark[1]) for mark in marks] != list(range(1, len(marks) + 1)):
        return Refused("the items are not numbered 1, 2, 3, …")
    last, _, suffix = prompt[marks[-1].end() :].partition("\n")
    pieces = [prompt[mark.end() : after.start()] for mark, after in pairwise(marks)]
    items = [piece.strip().rstrip(",;").strip() for piece in (*pieces, last)]
    if not all(items) or any(_SENTENCE_GOES_ON.search(item) for item in items):
        return Refused("where an item ends is not plain")
    return _of_items(prompt[: marks[0].start()], items, suffix, " ")


def _behind_a_colon(prompt: str) -> PromptSchema | Refused | None:
    before, _, last_line = prompt.rpartition("\n")
    instruction, colon, written = last_line.rpartition(":")
    items = [item.strip() for item in written.strip().removesuffix(".").split(",")]
    if not colon or len(items) < _LEAST_COMMA_ITEMS:
        return None
    items[-1] = items[-1].removeprefix("and ").strip()
    if not all(0 < len(item.split()) <= _MOST_WORDS_IN_COMMAS for item in items):
        return None
    if any(_SENTENCE_GOES_ON.search(item) or not any(sign.isalpha() for sign in item) for item in items):
        return Refused("the items behind the colon are numbers or sentences")
    return _of_items(f"{before}\n{instruction}:" if before else f"{instruction}:", items, "", " ")


def _of_items(before: str, items: Sequence[str], after: str, gap: str) -> PromptSchema | Refused:
    """Return the schema of a list by what stands before and behind it, if that is for each item."""
    before, after = before.strip(), after.strip()
    are_questions = all(item.endswith("?") for item in items)
    instruction = _SENTENCE_END.split(before.rpartition("\n")[2].strip())[-1] or after
    if not (are_questions or (instruction and _DISTRIBUTIVE.match(instruction))):
        return Refused("the instruction does not say that each item is a task")
    head = f"{before}{gap}" if before else ""
    tail = f"\n\n{after}" if after else ""
    category = "reading comprehension" if are_questions else _category(instruction)
    return PromptSchema(category=category, template=f"{head}{DATA}{tail}", data=tuple(items))


def _category(instruction: str) -> str:
    said = instruction.casefold()
    return next((category for part, category in _CATEGORY_BY_VERB if part in said), "list of tasks")


# ── questions and counts ──────────────────────────────────────────────────────────────────────────────────


def _questions(prompt: str) -> PromptSchema | None:
    lines = prompt.splitlines()
    first = len(lines)
    for place in reversed(range(len(lines))):
        if lines[place].strip() and not lines[place].rstrip().endswith("?"):
            break
        first = place if lines[place].strip() else first
    questions = [line.strip() for line in lines[first:] if line.strip()]
    if len(questions) < 2:
        return None
    context = "\n".join(lines[:first]).strip() or None
    template = f"{CONTEXT}\n\n{DATA}" if context else DATA
    return PromptSchema(
        category="reading comprehension", template=template, context=context, data=tuple(questions)
    )


def _counted(prompt: str) -> PromptSchema | None:
    found = _COUNT.match(prompt)
    if found is None or any(sign in prompt for sign in "?:;"):
        return None
    words = found[2].casefold().split()
    plural = next((word for word in words if word.endswith("s") and not word.endswith("ss")), None)
    number = int(found[1]) if found[1].isdecimal() else NUMBER_WORDS[found[1].casefold()]
    if plural is None or _PARTS_OF_ONE.intersection(words) or number < 2:
        return None
    return PromptSchema(category="repeated generation", template=prompt, n=number)
