"""Which text belongs to which token, learned from samples: a replay has no tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Final

from ttscale.bank.sample import RecordedSample

_BROKEN: Final = "\N{REPLACEMENT CHARACTER}"
"""What a part of a character looks like."""


class Vocabulary:
    """The text of each token id seen so far, as it stands within a sentence.

    Attributes:
        known: token id to text; part of a character is a replacement character.
    """

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        """Make an empty one over a backend's `decode`."""
        self.known = dict[int, str]()
        self._decode = decode
        self._anchor: int | None = None

    def new_in(self, sample: RecordedSample) -> Mapping[int, str]:
        """Return the texts of those token ids of a sample, alternatives included, that are not known yet."""
        top: Iterable[int] = chain.from_iterable(sample.top_logprobs or ())
        new = {*sample.token_ids, *top} - self.known.keys()
        return {token_id: self._text(token_id) for token_id in sorted(new)}

    def _text(self, token_id: int) -> str:
        """Return a token's text behind another: some tokenizers drop a space at the start of a text."""
        if self._anchor is None:
            text = self._decode((token_id,))
            if not text.strip() or _BROKEN in text:
                return text
            self._anchor = token_id
        before = self._decode((self._anchor,))
        both = self._decode((self._anchor, token_id))
        return both[len(before) :] if both.startswith(before) else self._decode((token_id,))


def token_ends(text: str, token_ids: Sequence[int], known: Mapping[int, str]) -> list[int] | None:
    """Return up to which character of a text each of its tokens reaches; ``None``: they do not fit together.

    The text may lack a space at its start, and its end from within any token on: a stop string is cut off. A
    character in several tokens is there with the last of them.
    """
    ends, at, num_broken = list[int](), 0, 0
    for token_id in token_ids:
        piece = known.get(token_id)
        if piece is None:
            return None
        if _BROKEN in piece:
            num_broken += 1
            ends.append(at)
            continue
        if num_broken and piece:
            found = text.find(piece, at)
            if not 0 <= found - at <= 4 * num_broken:
                return None
            at, num_broken = found, 0
            ends[-1] = at
        after = _after(text, at, piece)
        if after is None:
            return None
        at = after
        ends.append(at)
    if num_broken:
        ends[-1] = len(text)
    return ends if not ends or ends[-1] == len(text) else None


def _after(text: str, at: int, piece: str) -> int | None:
    """Return where a piece that begins at a place of the text ends."""
    if text.startswith(piece, at):
        return at + len(piece)
    if at == 0 and piece.startswith(" ") and text.startswith(piece[1:]):
        return len(piece) - 1
    return len(text) if piece.startswith(text[at:]) else None
