"""Scripts of `FakeBackend`: what it replies, how long that takes, and how many tokens it has."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final, TypeAlias

from ttscale.types import FinishReason, Prompt

_LEAST_LOGPROB: Final = -30.0
_LN_2: Final = math.log(2)


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted sample."""

    text: str
    num_tokens: int | None = None
    """``None``: one a character. If more, silent tokens come before the text, as if the model thought."""
    seconds: float | None = None
    """From its start in the engine to its last token, tokens evenly spaced; ``None``: at the engine's pace."""
    logprobs: float | Sequence[float] | None = None
    """In nats, of every token alike or one a token; ``None``: alike, drawn from the sample's seed."""
    top_logprobs: Sequence[Mapping[str, float]] | None = None
    """Of the most likely tokens at each position, character to nats, likeliest first; ``None``: made up."""
    finish_reason: FinishReason = "stop"
    """Where neither a limit nor a stop ends it earlier; ``"stop"`` or ``"length"``."""
    error: str | None = None
    """If given, the sample fails with this message."""
    fail_after: int | None = None
    """Tokens after which it fails; ``None``: after the whole text."""

    def __post_init__(self) -> None:
        if self.num_tokens is not None and self.num_tokens < len(self.text):
            raise ValueError(f"num_tokens must be >= the {len(self.text)} of the text, got {self.num_tokens!r}")
        if self.seconds is not None and self.seconds < 0:
            raise ValueError(f"seconds must be >= 0, got {self.seconds!r}")
        if self.finish_reason not in ("stop", "length"):
            raise ValueError(f"finish_reason must be 'stop' or 'length', got {self.finish_reason!r}")
        if self.fail_after is not None and self.error is None:
            raise ValueError("fail_after says when a sample fails; say with what in error")
        if isinstance(self.logprobs, Sequence) and len(self.logprobs) != self.length:
            raise ValueError(f"logprobs must be one a token, {self.length}, got {len(self.logprobs)}")
        if self.top_logprobs is not None and len(self.top_logprobs) != self.length:
            raise ValueError(f"top_logprobs must be one a token, {self.length}, got {len(self.top_logprobs)}")

    @property
    def length(self) -> int:
        """Number of tokens of the whole reply."""
        return len(self.text) if self.num_tokens is None else self.num_tokens


Rule: TypeAlias = Callable[[Prompt, int, int], Reply | str]
"""From prompt (as it was asked, before the chat template), seed and ordinal to a reply.

The ordinal is the sample's number among all samples this backend was asked for, from 0. A prompt that ends in
an unfinished message of the assistant's is continued: a reply that begins like it is continued from there.
"""

Script: TypeAlias = "Rule | Reply | str | Sequence[Script] | Mapping[str, Script]"
"""A rule; one reply for every sample; replies in order, from the start again after the last; or a script each
for several questions (the text of the prompt's last user message)."""


def reply_of(script: Script, prompt: Prompt, seed: int, ordinal: int) -> Reply:
    """Return what a script says to one sample.

    Raises:
        LookupError: it says nothing to this question, or is empty.
        TypeError: it is no script.
    """
    if isinstance(script, Reply):
        return script
    if isinstance(script, str):
        return Reply(script)
    if isinstance(script, Mapping):
        question = prompt.question
        if question not in script:
            raise LookupError(f"the script has no reply to {question!r}")
        return reply_of(script[question], prompt, seed, ordinal)
    if isinstance(script, Sequence):
        if not script:
            raise LookupError("the script has no replies")
        return reply_of(script[ordinal % len(script)], prompt, seed, ordinal)
    if not callable(script):
        raise TypeError(f"{script!r} is no script: give a function, a reply, or several of them")
    reply = script(prompt, seed, ordinal)
    return Reply(reply) if isinstance(reply, str) else reply


def rest_of(reply: Reply, begun: str, num_begun: int) -> Reply:
    """Return what is left of a reply that has been begun; all of it if that was not its beginning.

    Args:
        reply: the whole reply.
        begun: text the prompt's last, unfinished assistant message has already.
        num_begun: tokens it has already, silent ones included.
    """
    if not begun or not reply.text.startswith(begun):
        return reply
    left = max(0, reply.length - num_begun)
    text = reply.text[len(begun) :]
    done = reply.length - left
    return replace(
        reply,
        text=text,
        num_tokens=max(left, len(text)),
        seconds=None if reply.seconds is None else reply.seconds * left / reply.length,
        logprobs=reply.logprobs[done:] if isinstance(reply.logprobs, Sequence) else reply.logprobs,
        top_logprobs=None if reply.top_logprobs is None else reply.top_logprobs[done:],
        fail_after=None if reply.fail_after is None else max(0, reply.fail_after - done),
    )


def noisy_answers(
    correct: str,
    p: float,
    wrong: Sequence[str] = ("0", "1", "2"),
    *,
    template: str = "The answer is \\boxed{%s}.",
    seconds: tuple[float, float] | None = None,
) -> Rule:
    r"""Return a rule that answers right with probability `p`, else one of `wrong`, each by the seed alone.

    Args:
        correct: the right answer.
        p: in [0, 1].
        wrong: the wrong answers, equally likely; none of them may be `correct`.
        template: the reply, ``%s`` where the answer goes.
        seconds: least and greatest duration, evenly spread; ``None``: at the engine's pace.
    """
    if not 0 <= p <= 1:
        raise ValueError(f"p must be in [0, 1], got {p!r}")
    if p < 1 and (not wrong or correct in wrong):
        raise ValueError(f"wrong must be answers other than {correct!r}, got {wrong!r}")

    def rule(prompt: Prompt, seed: int, ordinal: int) -> Reply:
        draw = random.Random(seed)
        answer = correct if draw.random() < p else draw.choice(wrong)
        return Reply(template % answer, seconds=None if seconds is None else draw.uniform(*seconds))

    return rule


def token_logprobs(reply: Reply, seed: int) -> list[float]:
    """Return the log-probability of each token of a reply, in nats."""
    if isinstance(reply.logprobs, Sequence):
        return list(reply.logprobs)
    value = reply.logprobs
    if value is None:
        value = -random.Random(f"logprob of {seed}").uniform(0.05, 1.0)
    return [float(value)] * reply.length


def top_logprobs(token_id: int, logprob: float, num_top: int, vocabulary: Sequence[int]) -> dict[int, float]:
    """Return the chosen token and the `num_top` most likely ones, in falling order of likelihood.

    The probability that the chosen token leaves is shared out by halves among tokens of `vocabulary`.
    """
    left = math.log(max(1.0 - math.exp(logprob), math.exp(_LEAST_LOGPROB)))
    others = islice((other for other in vocabulary if other != token_id), num_top)
    shared = {other: max(_LEAST_LOGPROB, left - rank * _LN_2) for rank, other in enumerate(others, 1)}
    ranked = sorted({token_id: logprob, **shared}.items(), key=lambda item: -item[1])
    top = dict(ranked[:num_top])
    top.setdefault(token_id, logprob)
    return top
