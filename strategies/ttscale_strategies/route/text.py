"""Questions as numbers, without a model: their words (TF-IDF, reduced), and how they look."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ttscale.errors import MissingExtra
from ttscale_strategies.checks import require_positive

Floats = NDArray[np.float64]

MAX_CHARACTERS: Final = 20_000
"""Of a longer question only the beginning is read."""

_TOKEN: Final = re.compile(r"[^\W\d_]+|\d+|[%$/]")
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_DECIMALS: Final = 6
"""To which fitted numbers are rounded, so that what is written is what was fitted."""


def tokens_of(question: str) -> list[str]:
    """Return a question's words in lower case and three signs; every number is ``#``."""
    found = _TOKEN.findall(question[:MAX_CHARACTERS].lower())
    return ["#" if token[0].isdigit() else token for token in found]


def looks_of(question: str) -> tuple[float, ...]:
    """Return what can be seen of a question: characters, words, sentences, numbers, the longest number.

    Five numbers, each >= 0: ln(1 + k) of the four counts, and of the longest number its digits, at most 12.
    """
    read = question[:MAX_CHARACTERS]
    numbers = _NUMBER.findall(read)
    counts = (len(read), len(read.split()), sum(map(read.count, ".?!")), len(numbers))
    return (*(math.log1p(count) for count in counts), float(min(12, max(map(len, numbers), default=0))))


@dataclass(frozen=True, slots=True, eq=False)
class TextEmbedding:
    """Makes numbers of questions: their looks, then their TF-IDF weights seen from a few directions.

    A term's weight is (1 + ln count) · idf; the weights of a question have length 1 before they are projected,
    as scikit-learn has it with ``sublinear_tf``. Needs numpy only.

    Raises:
        ValueError: the shapes do not fit, or a number is not finite.
    """

    terms: tuple[str, ...]
    """Vocabulary."""
    idf: Floats
    """Of each term, shape [num_terms]."""
    components: Floats
    """Directions, shape [num_directions, num_terms]."""

    def __post_init__(self) -> None:
        if self.idf.shape != (len(self.terms),) or self.components.shape[1:] != (len(self.terms),):
            raise ValueError(
                f"{len(self.terms)} terms need as many idf and columns of components, got "
                f"{list(self.idf.shape)} and {list(self.components.shape)}"
            )
        if not (np.isfinite(self.idf).all() and np.isfinite(self.components).all()):
            raise ValueError("idf and components must be finite, got NaN or infinity")

    def embed(self, questions: Sequence[str]) -> Floats:
        """Return one row a question, shape [num_questions, 5 + num_directions]."""
        places = {term: place for place, term in enumerate(self.terms)}
        rows = np.empty((len(questions), 5 + self.components.shape[0]))
        for row, question in zip(rows, questions, strict=True):
            counts = Counter(places[token] for token in tokens_of(question) if token in places)
            found = np.fromiter(counts, dtype=np.int64, count=len(counts))
            weights = np.asarray([1.0 + math.log(count) for count in counts.values()]) * self.idf[found]
            length = float(np.linalg.norm(weights))
            row[:5] = looks_of(question)
            row[5:] = self.components[:, found] @ weights / length if length > 0.0 else 0.0
        return rows


def fit_text_embedding(
    questions: Sequence[str], *, num_directions: int = 32, max_terms: int = 4000, seed: int = 0
) -> TextEmbedding:
    """Return the embedding of questions by those directions in which most of their TF-IDF weights lie.

    Latent semantic analysis: a truncated singular value decomposition. UniRoute (arXiv:2502.08773) embeds with
    a neural model of 768 dimensions; this needs none, and knows nothing but words.

    Args:
        questions: of training; none need have been answered.
        num_directions: >= 1; fewer where the questions do not have as many.
        max_terms: the most frequent ones that occur in at least two questions, >= 1.
        seed: of the decomposition, in [0, 2**32).

    Raises:
        MissingExtra: scikit-learn is not installed.
        ValueError: a number is out of its range.
    """
    require_positive(num_directions, "num_directions")
    require_positive(max_terms, "max_terms")
    try:
        from sklearn.decomposition import TruncatedSVD
    except ImportError as error:
        raise MissingExtra("scikit-learn", "search") from error
    spread, uses = Counter[str](), Counter[str]()
    for question in questions:
        tokens = tokens_of(question)
        spread.update(set(tokens))
        uses.update(tokens)
    kept = sorted((term for term in spread if spread[term] > 1), key=lambda term: (-uses[term], term))
    terms = tuple(sorted(kept[:max_terms]))
    # scikit-learn's smoothed form: as if one more question held every term
    shares = [(1.0 + len(questions)) / (1.0 + spread[term]) for term in terms]
    idf: Floats = np.asarray([round(math.log(share) + 1.0, _DECIMALS) for share in shares], dtype=np.float64)
    weights = TextEmbedding(terms, idf, np.eye(len(terms))).embed(questions)[:, 5:]
    num = min(num_directions, len(terms) - 1, len(questions) - 1)
    if num < 1 or not weights.any():
        return TextEmbedding(terms, idf, np.zeros((0, len(terms))))
    reduced = TruncatedSVD(n_components=num, random_state=seed).fit(weights)
    components: Floats = np.asarray(reduced.components_, dtype=np.float64).round(_DECIMALS)
    return TextEmbedding(terms, idf, components)
