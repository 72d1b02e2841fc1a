"""Tracks of two models: each model continues its own tokens, and reads the other's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ttscale.run import Run
from ttscale.run.appended import without_end
from ttscale.types import FinishReason, Prompt, Sample, SampleUsage, Timings


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What a model wrote in one go."""

    sample: Sample
    by: Run
    """Of the model that wrote it; only its tokenizer is asked."""
    ending: str
    """What ended it and stands behind it: the delimiter, or nothing."""
    is_end: bool
    """Whether the model would not go on."""

    @property
    def text(self) -> str:
        """Its words, without the ending."""
        return self.sample.text

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing in it."""
        return not self.sample.text.strip()


def read_piece(run: Run, sample: Sample, delimiter: str = "") -> Piece | None:
    """Return what a sample brought, ``None`` for one that failed.

    A piece that was cut at its limit goes on where it was cut. Where a server gives no tokens, an end token
    cannot be told from the delimiter: there the model would not go on if it wrote nothing.

    Args:
        run: on the sample's model.
        sample: drawn with the delimiter as its only stop string.
        delimiter: ends a piece; empty: only the end of the text does.
    """
    if sample.finish_reason in ("error", "abort"):
        return None
    sample = replace(sample, logprobs=None, top_logprobs=None)
    if sample.finish_reason == "length":
        return Piece(sample=sample, by=run, ending="", is_end=False)
    decoded = run.decode(sample.token_ids)
    is_delimited = delimiter in decoded if sample.token_ids else bool(sample.text.strip())
    if delimiter and is_delimited:
        return Piece(sample=sample, by=run, ending=delimiter, is_end=False)
    return Piece(sample=sample, by=run, ending="", is_end=True)


@dataclass(slots=True)
class _Line:
    prompt: Prompt
    then: str
    """Words behind it that have not been made tokens yet."""


class Lines:
    """One text that several models write by turns, as each of them has it before it.

    What a model wrote itself stays the tokens it wrote. Words of another model, and delimiters, become the
    tokens that its own tokenizer gives them by themselves: the models need not have a vocabulary in common.
    Where a server takes no token ids all is text.

    Attributes:
        text: behind the prompt.
    """

    def __init__(self, run: Run, prompt: Prompt) -> None:
        """Begin with a prompt, in this run's token ids if in any."""
        self._own = run
        self._asked = prompt
        self._lines: dict[int, _Line] = {}  # by a model's room
        self.text = ""

    def copy(self) -> Lines:
        """Return the same text, for what may come to nothing."""
        other = Lines(self._own, self._asked)
        other._lines = {key: replace(line) for key, line in self._lines.items()}
        other.text = self.text
        return other

    def prompt(self, run: Run) -> Prompt:
        """Return prompt and text as the run's model has them before it.

        Raises:
            BackendError: the backend cannot turn words into tokens.
        """
        line = self._of(run)
        return run.append(line.prompt, line.then)

    def add(self, text: str) -> None:
        """Put words behind it that none of the models wrote, or not all of which are kept."""
        for line in self._lines.values():
            line.then += text
        self.text += text

    def keep(self, piece: Piece) -> None:
        """Put a piece behind it that was drawn from its prompt.

        Raises:
            BackendError: the backend cannot turn words into tokens.
        """
        own = self._of(piece.by)
        self.add(piece.text + piece.ending)
        own.prompt, rest = written(piece)
        own.then = rest + piece.ending

    def _of(self, run: Run) -> _Line:
        key = id(run.room)
        if key not in self._lines:
            asked = self._asked
            if asked.token_ids is not None and run.room is not self._own.room:
                asked = Prompt(text=self._own.decode(asked.token_ids))
            self._lines[key] = _Line(run.encode(asked), self.text)
        return self._lines[key]


def written(piece: Piece) -> tuple[Prompt, str]:
    """Return a piece behind its prompt without what ended it, and what of its words that still lacks.

    Raises:
        BackendError: the backend cannot turn words into tokens.
    """
    sample, run = piece.sample, piece.by
    if sample.prompt.token_ids is None or not sample.token_ids:
        return run.append(sample.prompt, sample.text), ""
    token_ids, rest = without_end(sample, run.decode)
    return Prompt(token_ids=sample.prompt.token_ids + token_ids), rest


def needed(*uses: tuple[str | None, frozenset[str]]) -> Mapping[str | None, frozenset[str]]:
    """Return what is needed of each model, from every use of one; see `ttscale.strategy.UsesModels`."""
    found = dict[str | None, frozenset[str]]()
    for model, needs in uses:
        found[model] = found.get(model, frozenset[str]()) | needs
    return found


def as_sample(
    run: Run,
    text: str,
    *,
    index: int = 0,
    num_tokens: int = 0,
    finish_reason: FinishReason = "stop",
    error: str | None = None,
) -> Sample:
    """Return a text that was written in several goes as one sample, for those who read its words."""
    return Sample(
        index=index,
        text=text,
        token_ids=(),
        finish_reason=finish_reason,
        usage=SampleUsage(generated=num_tokens),
        prompt=run.problem.prompt,
        seed=0,
        timings=Timings(submitted=run.now()),
        error=error,
    )
