"""Schemas of prompts that hold several independent tasks (PARALLELPROMPT, arXiv:2506.18728).

A schema says how one prompt falls into instances: a template with the item's place in it, and the items; or,
for the same task several times over, how often. It comes from a model or from rules, and is trusted by
neither: see `ttscale_strategies.threads.rules.parallel_prompt_checks`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from ttscale_strategies.refine.rules import objects_in

DATA: Final = "{data}"
"""Where an item goes in a template."""
CONTEXT: Final = "{context}"
"""Where the context goes."""
CATEGORIES: Final = (
    "repeated generation",
    "reading comprehension",
    "keyword extraction",
    "named entity recognition",
    "translation",
    "language correction",
    "sentiment analysis",
)
"""The paper's; a schema may name another one."""
MAX_FENCES: Final = 20
"""Fenced blocks of a reply in which an object is looked for."""

_PLACE: Final = re.compile(r"\{(data|context)\}")
_FIELD: Final = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]{0,40}\}")


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a prompt is not split."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSchema:
    """How a prompt falls into instances: by `data`, one instance an item, or by `n`; exactly one of the two.

    Raises:
        ValueError: it is no such schema; the message says why.
    """

    category: str
    """What kind of task it is, see `CATEGORIES`."""
    template: str
    """One task, with `DATA` in it, and `CONTEXT` if its place is not before all else; with `n` neither."""
    context: str | None = None
    """What all instances are about."""
    data: tuple[str, ...] | None = None
    """The items, two or more."""
    n: int | None = None
    """How often the same is wanted, >= 2."""

    def __post_init__(self) -> None:
        if (self.data is None) == (self.n is None):
            raise ValueError("a schema has either data or n")
        if self.data is not None and len(self.data) < 2:
            raise ValueError(f"there must be two items or more, got {len(self.data)}")
        if self.n is not None and self.n < 2:
            raise ValueError(f"n must be >= 2, got {self.n!r}")
        texts = (
            self.category,
            self.template,
            *(self.data or ()),
            *(() if self.context is None else (self.context,)),
        )
        if not all(text.strip() for text in texts):
            raise ValueError("category, template, context and items must not be empty")
        if any("\ud800" <= sign <= "\udfff" for text in texts for sign in text):
            raise ValueError("a text holds half a character")
        if (self.template.count(DATA) == 1) != (self.data is not None) or self.template.count(DATA) > 1:
            raise ValueError(f"{DATA} must stand once in the template if there are items, and else not at all")
        if CONTEXT in self.template and (self.context is None or self.n is not None):
            raise ValueError(f"the template has {CONTEXT}, and there is nothing to put there")

    @property
    def num_instances(self) -> int:
        """How many prompts it stands for."""
        return len(self.data) if self.data is not None else self.n or 0

    @property
    def unknown_fields(self) -> tuple[str, ...]:
        """What looks like a place to fill in, and is none that is known."""
        return tuple(field for field in _FIELD.findall(self.template) if field not in (DATA, CONTEXT))

    def instances(self) -> tuple[str, ...]:
        """Return the prompts in order; the context comes first, unless the template has a place for it.

        Items and context are put in at once: what looks like a place in one of them is text.
        """
        if self.data is None:
            return (self._headed(self.template),) * self.num_instances
        return tuple(self._headed(self._filled(item)) for item in self.data)

    def _filled(self, item: str) -> str:
        values = {"data": item, "context": self.context or ""}
        return _PLACE.sub(lambda place: values[place[1]], self.template)

    def _headed(self, text: str) -> str:
        is_placed = self.context is None or CONTEXT in self.template
        return text if is_placed else f"{self.context}\n\n{text}"


def read_schema(text: str) -> PromptSchema | Refused:
    """Read the schema that a model wrote; whatever it wrote, nothing is raised, nothing is run.

    Of a reply the JSON object is taken that is all of it, else the first in a fenced block, else the first
    from a brace on. An object that says ``"parallelizable": false``, lacks something or has it of another
    type is none.

    Args:
        text: the reply; see `objects_in` for how much of it is read.
    """
    found = next(_candidates(text), None)
    if found is None:
        return Refused("no JSON object was found")
    if found.get("parallelizable") is not True:
        return Refused("it is said not to be parallelizable")
    return _schema_of(found)


def _candidates(text: str) -> Iterator[Mapping[str, object]]:
    whole = text.strip()
    if not whole.startswith("{"):
        for block in whole.split("```", 2 * MAX_FENCES)[1::2]:
            yield from objects_in(block)
    yield from objects_in(whole)


def _schema_of(found: Mapping[str, object]) -> PromptSchema | Refused:
    category, template, context = (found.get(name) for name in ("category", "template", "context"))
    data, n = found.get("data"), found.get("n")
    if not (isinstance(category, str) and isinstance(template, str)):
        return Refused("category and template must be texts")
    if not (context is None or isinstance(context, str)):
        return Refused("context must be a text or null")
    if not (n is None or (isinstance(n, int) and not isinstance(n, bool))):
        return Refused("n must be a whole number or null")
    items = None
    if data is not None:
        if not isinstance(data, list) or not all(isinstance(item, str) for item in cast("list[object]", data)):
            return Refused("data must be a list of texts or null")
        items = tuple(cast("list[str]", data))
    try:
        # An empty context is as good as none.
        return PromptSchema(
            category=category, template=template, context=context if context else None, data=items, n=n
        )
    except ValueError as error:
        return Refused(str(error))
