"""What can go wrong between us and a server, and whether asking again may help."""

from __future__ import annotations

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import Final

import aiohttp

from ttscale.backends.openai.replies import clean_message
from ttscale.errors import BackendError

LONGEST_RETRY_AFTER_SECONDS: Final = 300.0
"""A server that wants a longer pause than this is not asked again."""
_SERVER_ERRORS: Final = 500
_NOT_IMPLEMENTED: Final = 501
_RETRIED_STATUSES: Final = frozenset({408, 409, 425, 429})
_HOPELESS_CODES: Final = frozenset({"insufficient_quota"})


class RequestFailed(BackendError):
    """A request got no usable answer.

    Attributes:
        retry_after_seconds: how long the server wants to be left alone, where it says so.
    """

    def __init__(
        self,
        message: str,
        *,
        retryable: bool,
        status: int | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, retryable=retryable, status=status)
        self.retry_after_seconds = retry_after_seconds


def may_pass(error: BaseException) -> bool:
    """Return whether a failure is worth another attempt."""
    if not isinstance(error, RequestFailed) or not error.retryable:
        return False
    return (error.retry_after_seconds or 0.0) <= LONGEST_RETRY_AFTER_SECONDS


def retry_after_seconds(headers: Mapping[str, str], now: float) -> float | None:
    """Read ``Retry-After-Ms`` or ``Retry-After``, in seconds or as a date.

    Args:
        headers: of the response, names in any case.
        now: the time, in seconds since the epoch.

    Returns:
        Seconds to wait, >= 0; ``None`` where the server does not say, or not in a known form.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    for name, scale in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return max(0.0, float(lowered[name]) * scale)
        except (KeyError, ValueError):
            continue
    try:
        return max(0.0, parsedate_to_datetime(lowered["retry-after"]).timestamp() - now)
    except (KeyError, ValueError):
        return None


def is_transient(status: int, code: int | str | None) -> bool:
    """Return whether the same request may succeed later."""
    if code in _HOPELESS_CODES:
        return False
    return status in _RETRIED_STATUSES or (status >= _SERVER_ERRORS and status != _NOT_IMPLEMENTED)


def _reason(error: Exception) -> str:
    """Return what the system says of a connection that was not made; of others, what the library says."""
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        cause = error.os_error
        known = cause.errno is not None and cause.errno > 0  # names that are not found have codes of their own
        return os.strerror(cause.errno) if known and cause.errno else cause.strerror or str(cause)
    return str(error)


@contextmanager
def network_errors() -> Generator[None]:
    """Turn what aiohttp raises when a connection fails into `RequestFailed`."""
    try:
        yield
    except TimeoutError as error:
        raise RequestFailed("the server did not answer in time", retryable=True) from error
    except (aiohttp.ClientError, OSError) as error:
        reason = clean_message(_reason(error) or type(error).__name__)
        hopeless = isinstance(error, aiohttp.InvalidURL | aiohttp.ClientSSLError)
        raise RequestFailed(f"the connection failed: {reason}", retryable=not hopeless) from error
