"""Every error ttscale raises.

```
TTScaleError
├── ConfigError              the user's configuration, arguments or files are wrong (exit status 2)
│   ├── UnknownPlugin        no strategy, verifier, backend or benchmark of that name
│   ├── ParameterError       a plugin's parameter is unknown or of the wrong type
│   ├── DataError            a data file has a broken line (its number is named)
│   ├── CapabilityError      the model cannot give what the strategy or verifier needs
│   └── MissingExtra         an optional dependency is not installed
├── BackendError             an engine or server failed
│   └── BackendUnavailable   it cannot be reached or did not start (exit status 2 when nothing was run yet)
├── BudgetExhausted          control flow: nothing more can start within the budget
│   └── BudgetTooSmall       not even one sample fits (exit status 2)
├── VerifierError            a verifier failed as a whole (a single ungradable sample is a Score without value)
├── ToolError                a tool cannot be called as asked
├── WorkerFailure            a call in a worker process gave no value (in `ttscale.workers`, like those below)
│   ├── WorkerTimeout        it ran past its deadline
│   ├── WorkerCrashed        its process died
│   └── WorkerError          the function raised
└── PluginError              a plugin breaks its contract
```

Messages quote values and say how to mend the mistake. What fails inside a run — one sample, one grade — is
data in its log, not an exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class TTScaleError(Exception):
    """The root of every error raised on purpose by ttscale."""


class ConfigError(TTScaleError):
    """The configuration, an argument or a file is wrong; the message names the mend."""


class UnknownPlugin(ConfigError):
    """No plugin of that kind has that name."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        close = get_close_matches(name, names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names)}."
        plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
        super().__init__(f"No {kind} is called {name!r}; {hint} `ttscale list {plural}` shows them all.")


class ParameterError(ConfigError):
    """A plugin's parameter is unknown, missing or of the wrong type."""


class DataError(ConfigError):
    """A data file cannot be read; the message names file and line."""


class CapabilityError(ConfigError):
    """The model's backend cannot give what a strategy or verifier needs."""


class UnknownPrice(ConfigError):
    """A price file lacks a model; the message names those it has."""


class MissingExtra(ConfigError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed; install it with `pip install 'ttscale[{extra}]'`.")


class BackendError(TTScaleError):
    """An engine or server failed.

    Attributes:
        retryable: whether the same request may succeed later.
        status: the HTTP status, where there was one.
    """

    def __init__(self, message: str, *, retryable: bool = False, status: int | None = None) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.status = status


class BackendUnavailable(BackendError):
    """The engine did not start, or the server cannot be reached."""


class BudgetExhausted(TTScaleError):
    """Nothing more can start within the budget; whatever was in flight has been delivered.

    Attributes:
        kind: the exhausted quantity, a field of `Budget`.
        limit: its limit.
        scope: label of the ledger scope that refused.
    """

    def __init__(self, kind: str, limit: float, needed: float, remaining: float, scope: str) -> None:
        super().__init__(
            f"the budget of {limit:g} {kind} of {scope!r} is spent: {needed:g} needed, {remaining:g} left"
        )
        self.kind = kind
        self.limit = limit
        self.needed = needed
        self.remaining = remaining
        self.scope = scope


class BudgetTooSmall(BudgetExhausted):
    """Not even one sample fits in the budget; the message names the least limit that would do."""

    def __str__(self) -> str:
        least = self.limit - self.remaining + self.needed
        known = f" to at least {_exactly(least)}" if self.needed else ""  # nobody knows how long a sample takes
        return f"{super().__str__()}; raise {self.kind} in the budget{known}."


def _exactly(value: float) -> str:
    """Return a number with all the digits it needs: a limit that was rounded might still be too small."""
    short = f"{value:g}"
    if float(short) == value:
        return short
    return str(int(value)) if value == int(value) else repr(value)


class VerifierError(TTScaleError):
    """A verifier failed as a whole."""


class ToolError(TTScaleError):
    """A tool is unknown or was called with arguments it does not take."""


class PluginError(TTScaleError):
    """A plugin breaks its contract."""
