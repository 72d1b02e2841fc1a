"""A text that grows behind a prompt: by what the model writes, and by what is put in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self, TypeAlias

from ttscale.registry import load_template
from ttscale.run import Run, question_of
from ttscale.types import Prompt

ContinueBy: TypeAlias = Literal["auto", "turn", "message"]
"""How a model goes on with a conversation where its engine takes no token ids: in its own open turn, or asked
to by a new message, which any server understands; ``"auto"``: by message."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of the text, with its token ids where they are known."""

    text: str
    token_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One text behind one prompt. With token ids nothing that stands there is ever tokenised anew.

    So whoever goes on from a line finds all of it in the engine's prefix cache.
    """

    asked: Prompt
    """In token ids, where the engine takes them."""
    question: str
    """What it asks, in words."""
    continue_by: ContinueBy
    bare: str = ""
    """Its prompt, where that is bare text and no conversation: the beginning of what the model goes on with."""
    chunks: tuple[Chunk, ...] = ()

    @classmethod
    def begin(cls, run: Run, prompt: Prompt, continue_by: ContinueBy) -> Self:
        """Return a line with nothing behind its prompt."""
        return cls(
            asked=run.append(prompt, ""),
            question=question_of(prompt, run),
            continue_by=continue_by,
            bare=prompt.text or "",
        )

    @property
    def is_exact(self) -> bool:
        """Whether it consists of token ids."""
        return self.asked.token_ids is not None

    def prompt(self, run: Run) -> Prompt:
        """Return what the model is given to go on."""
        asked = self.asked
        if asked.token_ids is not None:
            ids = (token_id for chunk in self.chunks for token_id in chunk.token_ids)
            return Prompt(token_ids=(*asked.token_ids, *ids))
        text = "".join(chunk.text for chunk in self.chunks)
        if not text or asked.text is not None or self.continue_by == "turn":
            return run.append(asked, text)
        again = load_template("go_on").render(question=self.question, text=text)
        return Prompt(messages=(*asked.messages[:-1], *again.messages))

    def put(self, run: Run, *texts: str) -> Line:
        """Return the line with texts behind it, each with the tokens that it has by itself."""
        return replace(self, chunks=(*self.chunks, *(self._chunk(run, text) for text in texts if text)))

    def add(self, *chunks: Chunk) -> Line:
        """Return the line with what a model wrote behind it."""
        return replace(self, chunks=(*self.chunks, *chunks))

    def since(self, earlier: Line) -> tuple[Chunk, ...]:
        """Return what has come behind an earlier state of the line."""
        return self.chunks[len(earlier.chunks) :]

    def cut(self, run: Run, num_characters: int) -> Line:
        """Return the line without the last characters of its text."""
        kept, left = list(self.chunks), num_characters
        while left > 0:
            last = kept.pop()
            if len(last.text) > left:
                kept += self._beginning(run, last, last.text[: len(last.text) - left])
            left -= len(last.text)
        return replace(self, chunks=tuple(kept))

    def _beginning(self, run: Run, chunk: Chunk, text: str) -> list[Chunk]:
        """Return the beginning of a chunk: with its own tokens as far as these go, with new ones from there."""
        if not self.is_exact:
            return [Chunk(text)]
        ids, decode = chunk.token_ids, run.decode
        low, high = 0, len(ids)
        while low < high:  # the most tokens whose text is no longer
            middle = (low + high + 1) // 2
            low, high = (middle, high) if len(decode(ids[:middle])) <= len(text) else (low, middle - 1)
        while low and not text.startswith(decode(ids[:low])):  # a character's bytes end in the next token
            low -= 1
        known = decode(ids[:low])
        rest = text[len(known) :]
        return [Chunk(known, ids[:low]), *([self._chunk(run, rest)] if rest else [])]

    def _chunk(self, run: Run, text: str) -> Chunk:
        if not self.is_exact:
            return Chunk(text)
        empty = Prompt(token_ids=(self.asked.token_ids or ())[:1] or (0,))
        return Chunk(text, tuple((run.append(empty, text).token_ids or ())[len(empty.token_ids or ()) :]))


def single_tokens(run: Run, lexemes: Sequence[str]) -> dict[int, str]:
    """Return those of some lexemes that are one token of the model's, by its id.

    Some models have their tags as special tokens, which are no text: no stop string finds them.
    """
    if not run.capabilities.token_ids:
        return {}
    found = dict[int, str]()
    for lexeme in lexemes:
        ids = (run.append(Prompt(token_ids=(0,)), lexeme).token_ids or ())[1:]
        if len(ids) == 1:
            found[ids[0]] = lexeme
    return found
