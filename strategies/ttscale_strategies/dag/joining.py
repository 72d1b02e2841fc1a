"""What a joiner says after it has read all observations: an answer, or that another plan is needed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from ttscale.answers import extract_answer

END_OF_RESPONSE: Final = "<END_OF_RESPONSE>"

_THOUGHT: Final = re.compile(r"^[ \t]*thought[ \t]*:[ \t]*(.*)", re.IGNORECASE | re.MULTILINE)
_ACTION: Final = re.compile(r"^[ \t]*action[ \t]*:[ \t]*", re.IGNORECASE | re.MULTILINE)
_NEXT: Final = re.compile(
    r"^[ \t]*(?:thought|action|observation|question)[ \t]*:", re.IGNORECASE | re.MULTILINE
)
_NAME: Final = re.compile(r"(finish|replan)[ \t]*(\(|$)", re.IGNORECASE | re.MULTILINE)
_MAX_CHARACTERS: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a joiner decided."""

    action: Literal["finish", "replan"] | None
    """``None``: neither."""
    text: str = ""
    """The answer, or why another plan is needed; of no action, whatever is recognised as an answer."""
    thought: str = ""


def parse_verdict(text: str) -> Verdict:
    """Read ``Thought: …``, ``Action: Finish(answer)`` or ``Action: Replan(why)``.

    Only what stands right behind ``Action:`` names the action, so ``Finish(Replan the trip)`` is an answer. The
    first action counts: whatever follows it the joiner has made up. What is in the brackets ends where they
    close, and where they never do, with the action; brackets within are part of it. An answer may have several
    lines. A text without an action is an answer where it states one as any other solution does
    (`ttscale.answers.extract_answer`).
    """
    text = text[:_MAX_CHARACTERS].partition(END_OF_RESPONSE)[0]
    for place in _ACTION.finditer(text):
        if (named := _NAME.match(text, place.end())) is None:
            continue
        end = following.start() if (following := _NEXT.search(text, named.end())) else len(text)
        said = in_brackets(text[named.end() : end]) if named[2] else ""
        return Verdict(
            action="finish" if named[1].lower() == "finish" else "replan",
            text=said,
            thought=_thought(text[: place.start()]),
        )
    return Verdict(action=None, text=extract_answer(text) or "", thought=_thought(text))


def answer_in(said: str) -> str | None:
    """Return the answer in what was finished with: what is stated there, else all of it; ``None``: nothing."""
    return extract_answer(said) or said.strip() or None


def in_brackets(text: str) -> str:
    """Return what a text whose first bracket was opened before it holds up to the bracket that closes it.

    ``4) (about)`` gives ``4``, ``f(x) = 2)`` gives ``f(x) = 2``. Where the rest would close what it has not
    opened, as in ``1) A 2) B)``, the last bracket is the one.
    """
    text = text.rstrip()
    depth = 1
    for place, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0:
            if _closes_too_much(text[place + 1 :]):
                break
            return text[:place].strip()
    last = text.rfind(")")
    return (text[:last] if last >= 0 and depth <= 0 else text).strip()


def _closes_too_much(text: str) -> bool:
    depth = 0
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return True
    return False


def _thought(text: str) -> str:
    return "\n".join(found[1].strip() for found in _THOUGHT.finditer(text))
