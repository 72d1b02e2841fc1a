"""Made-up words: texts and tokens of questions and answers of which only the lengths are known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from ttscale.planning.workload import Draw, Question, Step
from ttscale.types import Prompt

_CHARACTERS_PER_TOKEN: Final = 4
_NEWLINE: Final = "\n"


@dataclass(frozen=True, slots=True)
class Written:
    """What a model has written of an answer."""

    marks: tuple[int, ...]
    """Of the steps that are complete."""
    begun: tuple[int, int] | None
    """Mark of the step that is not, and how many of its tokens there are."""
    is_ended: bool
    """Whether the answer is there."""
    is_foreign: bool
    """Whether a text follows that the model did not write."""


class Wording:
    """Writes questions and answers in tokens of its own, and reads back what was written.

    A step is a word of its own, repeated, and ends with its line; the last step ends with the answer in a box.
    Any other text has a token for every 4 characters.
    """

    def __init__(self, questions: Sequence[Question]) -> None:
        """Give every question its words."""
        self.texts: dict[int, str] = {}
        """Of each token, by id."""
        self._ids: dict[str, int] = {}
        self._newline = self._id(_NEWLINE)
        self._words: dict[tuple[int, int], int] = {}
        self._steps: dict[int, int] = {}
        self._line_ends: dict[int, int] = {}
        self._boxes = set[int]()
        self._places: dict[tuple[int, ...], int] = {}
        self._asked = [self._question_ids(place, question) for place, question in enumerate(questions)]

    def question(self, place: int) -> Prompt:
        """Return how a question is asked."""
        return Prompt.user(self.text(self._asked[place]))

    def encode(self, prompt: Prompt) -> tuple[int, ...]:
        """Return a prompt's tokens."""
        if prompt.token_ids is not None:
            return prompt.token_ids
        texts = [prompt.text] if prompt.text is not None else [message.content for message in prompt.messages]
        return tuple(self._id(piece) for text in texts for piece in _pieces(text)) or (self._newline,)

    def text(self, token_ids: Sequence[int]) -> str:
        """Return the text of tokens; unknown ones have none."""
        return "".join(self.texts.get(token_id, "") for token_id in token_ids)

    def place_of(self, token_ids: Sequence[int]) -> int | None:
        """Return which question a prompt begins with; ``None``: with none."""
        place = self._places.get(tuple(token_ids[:_NUMBER_TOKENS]))
        if place is None or tuple(token_ids[: len(self._asked[place])]) != self._asked[place]:
            return None
        return place

    def written(self, place: int, token_ids: Sequence[int]) -> Written:
        """Return what stands behind a question."""
        rest = token_ids[len(self._asked[place]) :]
        marks, begun, is_ended, is_foreign = list[int](), None, False, False
        for token_id in rest:
            is_foreign = False
            if token_id in self._steps:
                mark = self._steps[token_id]
                begun = (mark, begun[1] + 1 if begun and begun[0] == mark else 1)
            elif token_id in self._line_ends:
                marks.append(self._line_ends[token_id])
                begun = None
            elif token_id == self._newline and begun is not None:
                marks.append(begun[0])
                begun = None
            elif token_id in self._boxes:
                is_ended = True
            else:
                is_foreign = True
        return Written(tuple(marks), begun, is_ended, is_foreign)

    def answer(self, place: int, draw: Draw, steps: Sequence[Step], num_there: int = 0) -> list[int]:
        """Return the tokens of the last steps of an answer.

        Args:
            place: of the question.
            draw: the answer.
            steps: its steps from one on, to the last.
            num_there: tokens of the first of them that have been written.
        """
        ids = list[int]()
        for number, step in enumerate(steps):
            own = self._step(place, step, draw, is_last=number + 1 == len(steps))
            ids += own if number else own[min(num_there, len(own) - 1) :]
        return ids

    def _step(self, place: int, step: Step, draw: Draw, *, is_last: bool) -> list[int]:
        word = self._word(place, step.mark)
        if is_last:
            if draw.answer is None or draw.is_cut:
                return [word] * step.num_tokens
            box = self._id(f"\\boxed{{{draw.answer}}}")
            self._boxes.add(box)
            return [*[word] * (step.num_tokens - 1), box]
        if step.num_tokens > 1:
            return [*[word] * (step.num_tokens - 1), self._newline]
        end = self._id(self.texts[word] + _NEWLINE)
        self._line_ends[end] = step.mark
        return [end]

    def _word(self, place: int, mark: int) -> int:
        if (place, mark) not in self._words:
            found = self._id(_letters(len(self._words)))
            self._words[place, mark] = found
            self._steps[found] = mark
        return self._words[place, mark]

    def _question_ids(self, place: int, question: Question) -> tuple[int, ...]:
        number = f"{place:0{_CHARACTERS_PER_TOKEN * _NUMBER_TOKENS}d}"
        filler = "what" * max(0, question.prompt_tokens - _NUMBER_TOKENS)
        ids = tuple(self._id(piece) for piece in _pieces(number + filler))
        self._places[ids[:_NUMBER_TOKENS]] = place
        return ids

    def _id(self, text: str) -> int:
        if text not in self._ids:
            self._ids[text] = len(self._ids)
            self.texts[self._ids[text]] = text
        return self._ids[text]


_NUMBER_TOKENS: Final = 2
"""With which every question begins; a shorter prompt is taken to be so long."""


def _pieces(text: str) -> Iterator[str]:
    size = _CHARACTERS_PER_TOKEN
    return (text[start : start + size] for start in range(0, len(text), size))


def _letters(number: int) -> str:
    """Return a word of 4 letters or more that no other number has."""
    letters = ""
    while number or len(letters) < _CHARACTERS_PER_TOKEN:
        number, digit = divmod(number, 26)
        letters += chr(ord("a") + digit)
    return letters
