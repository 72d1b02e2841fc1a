"""What can go wrong with a call in a worker process."""

from __future__ import annotations

from ttscale.errors import TTScaleError


class WorkerFailure(TTScaleError):
    """A call in a worker process gave no value.

    Attributes:
        function: the function called, ``"package.module:function"``.
    """

    def __init__(self, function: str, message: str) -> None:
        super().__init__(f"{function!r} {message}")
        self.function = function


class WorkerTimeout(WorkerFailure):
    """The call ran past its deadline; its process was killed."""

    def __init__(self, function: str, seconds: float) -> None:
        super().__init__(function, f"did not finish within {seconds:g} s and was killed.")
        self.seconds = seconds


class WorkerCrashed(WorkerFailure):
    """The process died during the call, of a signal or of its memory limit, or the workers were closed."""


class WorkerError(WorkerFailure):
    """The function raised an exception, or returned what is not JSON.

    Attributes:
        type: the exception's class name.
        message: its text, cut to a bounded length. It may quote model output: escape it before showing it.
    """

    def __init__(self, function: str, type: str, message: str) -> None:
        super().__init__(function, f"raised {type}: {message!r}")
        self.type = type
        self.message = message
