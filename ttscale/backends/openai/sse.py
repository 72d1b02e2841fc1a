"""Server-sent events: from the bytes of a response to the data of its events."""

from __future__ import annotations

from typing import Final

from ttscale.errors import BackendError

MAX_EVENT_BYTES: Final = 64 << 20
"""Most bytes of one event; a server that sends more without an end is broken or hostile."""

DONE: Final = "[DONE]"
"""The data of the event that ends a stream."""


class EventParser:
    """Cuts a byte stream, however it arrives in pieces, into events as the HTML standard defines them.

    Only ``data`` fields matter to the protocol; comments, event names and identifiers are skipped.
    """

    def __init__(self) -> None:
        self._rest = bytearray()
        self._data: list[bytes] = []
        self._num_bytes = 0

    def feed(self, received: bytes) -> list[str]:
        """Take in what arrived and return the data of the events that it completes, in order.

        Raises:
            BackendError: an event is larger than `MAX_EVENT_BYTES`, or not UTF-8.
        """
        events = list[str]()
        first, *more = received.split(b"\n")
        self._rest.extend(first)
        for start_of_next in more:
            self._take(bytes(self._rest).removesuffix(b"\r"), events)
            self._rest = bytearray(start_of_next)
        if len(self._rest) + self._num_bytes > MAX_EVENT_BYTES:
            raise BackendError(f"the server sent an event of more than {MAX_EVENT_BYTES >> 20} MiB")
        return events

    def finish(self) -> list[str]:
        """Return what a stream that ended without its last blank line still held."""
        return self.feed(b"\n\n")

    def _take(self, line: bytes, events: list[str]) -> None:
        if line.startswith(b"data:"):
            self._data.append(line[5:].removeprefix(b" "))
            self._num_bytes += len(line)
        elif not line and self._data:
            try:
                events.append(b"\n".join(self._data).decode())
            except UnicodeDecodeError as error:
                raise BackendError(f"the server sent an event that is not UTF-8: {error}") from error
            self._data.clear()
            self._num_bytes = 0
