"""Text of a growing sample: tokens become characters as soon as these are certain, stop strings are cut off.

Pure Python, no model: `IncrementalDecoder` knows about half characters, `StopFilter` about stop strings, and
`TextStream` is the two in a row.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

Decode = Callable[[Sequence[int]], str]
"""Token ids to text, special tokens left out; bytes that are not UTF-8 become U+FFFD."""

_REPLACEMENT: Final = "�"
_MAX_PENDING: Final = 64


class IncrementalDecoder:
    """Turns tokens into text one at a time.

    Characters whose bytes are spread over several tokens are held back until they are whole. A short window of
    earlier tokens is decoded along, because some vocabularies write a token differently at the start of a text.
    """

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._window: list[int] = []
        self._num_context = 0  # tokens at the window's start whose text was given out entirely
        self._num_sent = 0  # characters of the window's text that were given out

    def push(self, token_id: int) -> str:
        """Take a token; return the characters that are now certain."""
        self._window.append(token_id)
        text = self._decode(self._window)
        certain = len(text.rstrip(_REPLACEMENT))
        if certain == len(text) or len(self._window) - self._num_context > _MAX_PENDING:
            new = text[self._num_sent :]
            self._slide()
            return new
        new = text[self._num_sent : certain]
        self._num_sent = max(self._num_sent, certain)
        return new

    def flush(self) -> str:
        """Return what was held back; bytes that never became a character are U+FFFD."""
        new = self._decode(self._window)[self._num_sent :]
        self._slide()
        return new

    def _slide(self) -> None:
        """Keep the tokens since the last slide as context for the next ones."""
        del self._window[: self._num_context]
        self._num_context = len(self._window)
        self._num_sent = len(self._decode(self._window))


class StopFilter:
    """Lets text through up to the first stop string, never a part of one.

    Args:
        stops: the stop strings; empty ones are ignored.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stop for stop in stops if stop)
        self._held = ""
        self.stopped = False
        """Whether a stop string was found: everything from its first character on is dropped."""

    def push(self, text: str) -> str:
        """Take new text; return what is certainly before any stop string."""
        if self.stopped:
            return ""
        held = self._held + text
        found = [position for stop in self._stops if (position := held.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._held = ""
            return held[: min(found)]
        keep = self._num_suspicious(held)
        self._held = held[len(held) - keep :]
        return held[: len(held) - keep]

    def _num_suspicious(self, text: str) -> int:
        """Return the length of the longest end of `text` that may be the beginning of a stop string."""
        longest = max((len(stop) for stop in self._stops), default=1) - 1
        for length in range(min(longest, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stops):
                return length
        return 0

    def flush(self) -> str:
        """Return what was held back, once no more text comes."""
        held, self._held = self._held, ""
        return held


class TextStream:
    """The text of one sample: push its tokens, then flush once; all returned pieces joined are its text.

    Args:
        decode: the tokenizer's decoder.
        stops: strings that end the text and are cut from it.
    """

    def __init__(self, decode: Decode, stops: Sequence[str] = ()) -> None:
        self._decoder = IncrementalDecoder(decode)
        self._filter = StopFilter(stops)

    @property
    def stopped(self) -> bool:
        """Whether a stop string was found."""
        return self._filter.stopped

    def push(self, token_id: int) -> str:
        """Take a token; return the text that is now certain."""
        return self._filter.push(self._decoder.push(token_id))

    def flush(self) -> str:
        """Return the rest of the text."""
        return self._filter.push(self._decoder.flush()) + self._filter.flush()
