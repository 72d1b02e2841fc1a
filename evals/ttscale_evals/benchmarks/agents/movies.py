"""Movie recommendation: which of four films is most like four others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from ttscale.errors import DataError
from ttscale.records import Record
from ttscale.types import Problem, Prompt
from ttscale.workers import Workers
from ttscale_evals.benchmarks.agents.corpus import WithCorpus
from ttscale_evals.benchmarks.agents.files import final_answer, row_of, text_grade
from ttscale_evals.benchmarks.base import Grade
from ttscale_evals.metrics.texts import normalised

_OPTIONS: Final = "Options:\n"


class _Row(TypedDict):
    id: str
    question: str
    answer: str


_ROWS: Final = TypeAdapter(_Row)


@dataclass(frozen=True, kw_only=True)
class MovieRecommendation(WithCorpus):
    """500 questions of BIG-bench (arXiv 2206.04615, Apache-2.0) as LLMCompiler words them (arXiv 2312.04511).

    The file is ``datasets/movie_recommendations_formatted.json`` in LLMCompiler's repository. An answer is
    right where it names the right option and no other, see `chosen_option`.
    """

    name = "movie_recommendation"

    def make(self, record: Record, number: int) -> Problem:
        """Return the problem of a row."""
        del number
        row = row_of(record, _ROWS)
        options = [line.strip() for line in row["question"].partition(_OPTIONS)[2].splitlines() if line.strip()]
        if row["answer"].strip() not in options:
            raise DataError(f"{record.place}: the answer is none of the options; mend the row or leave it out.")
        return Problem(
            id=row["id"],
            prompt=Prompt.user(self.asked(row["question"].strip())),
            target=row["answer"].strip(),
            meta={"question": row["question"], "options": options},
        )

    async def grade(self, problem: Problem, answer: str | None, workers: Workers) -> Grade:
        """Grade by the option that the answer names."""
        del workers
        options = problem.meta["options"]
        assert isinstance(options, Sequence)
        is_right = chosen_option(final_answer(answer), [str(one) for one in options]) == problem.target
        return text_grade(answer, correct=is_right, value=float(is_right))


def chosen_option(answer: str, options: Sequence[str]) -> str | None:
    """Return the option that an answer names, ``None`` where it names none or several.

    Compared are normalised words: the answer is an option, or names it in a sentence. An option whose words are
    part of another one that is named ("Star Wars" in "Star Wars Episode V") is not named by that.
    """
    text = normalised(answer)
    names = {option: normalised(option) for option in options}
    same = [option for option, words in names.items() if words == text]
    if same:
        return same[0]
    named = {option: words for option, words in names.items() if words and f" {words} " in f" {text} "}
    longest = [
        option
        for option, words in named.items()
        if not any(words != other and f" {words} " in f" {other} " for other in named.values())
    ]
    return longest[0] if len(longest) == 1 else None
