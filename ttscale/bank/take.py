"""What a recorded sample is under the limits of a request: a pure function of recording and sampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ttscale.bank.sample import RecordedSample
from ttscale.bank.vocabulary import token_ends
from ttscale.types import FinishReason, Sampling
from ttscale.virtual import Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """A recorded sample as it will be replayed."""

    sample: RecordedSample
    num_tokens: int
    """How many come if nobody stops it."""
    finish_reason: FinishReason
    error: str | None
    pace: Pace
    seconds: float
    """From its start to its last chunk."""
    ends: Sequence[int] | None
    """Up to which character of the text each token reaches; ``None``: unknown."""

    def text_after(self, num_tokens: int) -> str:
        """Return the text of the first tokens.

        Where it is not known which token has which text, every token is given the same share of it; and an
        answer without a text is there with the last token, not before.
        """
        text, total = self.sample.shown, self.sample.head.usage.generated
        if num_tokens >= total:
            return text
        if self.sample.text is None or num_tokens == 0:
            return ""
        end = self.ends[num_tokens - 1] if self.ends is not None else len(text) * num_tokens // total
        return text[:end]

    def token_ids(self, start: int, end: int) -> tuple[int, ...]:
        """Return the ids of some of its tokens."""
        return self.sample.token_ids[start:end]

    def logprobs(self, start: int, end: int, asked: int | None) -> tuple[float, ...] | None:
        """Return the log-probabilities of some of its tokens, if they were asked for."""
        return None if asked is None else (self.sample.logprobs or ())[start:end]

    def top_logprobs(self, start: int, end: int, asked: int | None) -> tuple[Mapping[int, float], ...] | None:
        """Return the `asked` most likely tokens and the chosen one at some positions, if any were asked for."""
        if not asked:
            return None
        positions = (self.sample.top_logprobs or ())[start:end]
        if asked == self.sample.head.num_logprobs:
            return positions
        chosen = self.sample.token_ids[start:end] or (None,) * len(positions)
        return tuple(
            _most_likely(position, token_id, asked)
            for position, token_id in zip(positions, chosen, strict=False)
        )


def _most_likely(position: Mapping[int, float], chosen: int | None, count: int) -> Mapping[int, float]:
    ranked = sorted(position.items(), key=lambda item: -item[1])
    top = dict(ranked[:count])
    if chosen is not None and chosen in position:
        top.setdefault(chosen, position[chosen])
    return top


def take(
    sample: RecordedSample, sampling: Sampling, *, tokens_per_second: float, vocabulary: Mapping[int, str]
) -> Take:
    """Return what a recorded sample is under a request's limits.

    Its tokens come evenly spaced over the time it took, from its first token on where that was watched. A
    shorter limit cuts it short. A beginning that is to go on fails when its next token would be due: after the
    moment at which it was stopped, so that whoever stops it again at that moment is in time.

    Args:
        sample: the recording.
        sampling: of the request.
        tokens_per_second: its pace, where nothing is known of it.
        vocabulary: text of token ids.
    """
    head = sample.head
    total, limit = head.usage.generated, sampling.max_tokens
    pace, seconds = _pace(sample, tokens_per_second)
    count, reason, error = total, head.finish_reason, head.error
    if limit is not None and (limit < total or (limit == total and not head.is_whole)):
        count, reason, error = limit, "length", None
        seconds = pace.seconds_at(limit)
    elif reason == "error":
        error = f"when this was recorded, the sample failed: {error}"
    elif not head.holds(limit):
        reason, error = "error", _run_out(sample, limit)
        seconds += pace.per_token or 1 / tokens_per_second
    return Take(
        sample=sample,
        num_tokens=count,
        finish_reason=reason,
        error=error,
        pace=pace,
        seconds=seconds,
        ends=token_ends(sample.text, sample.token_ids, vocabulary)
        if sample.text and sample.token_ids
        else None,
    )


def _pace(sample: RecordedSample, tokens_per_second: float) -> tuple[Pace, float]:
    """Return when the tokens of a whole recording come, and when it ends."""
    head = sample.head
    total, seconds, first = head.usage.generated, head.seconds, head.first_token_seconds
    if seconds is None:
        per_token = 1 / tokens_per_second
        return Pace(first=0.0, per_token=per_token), per_token * total
    if not total:
        return Pace(first=seconds, per_token=0.0), seconds
    if first is None or total == 1:
        return Pace(first=0.0, per_token=seconds / total), seconds
    per_token = (seconds - first) / (total - 1)
    return Pace(first=first - per_token, per_token=per_token), seconds


def _run_out(sample: RecordedSample, limit: int | None) -> str:
    head = sample.head
    held = f"the recording of this sample holds {head.usage.generated} tokens"
    wanted = "the whole sample was asked for" if limit is None else f"up to {limit} were asked for"
    if head.finish_reason == "abort":
        return f"{held}, because it was stopped there, and {wanted}; what comes next was never drawn."
    return (
        f"{held}, the most it was allowed (max_tokens), and {wanted}; ask for at most {head.usage.generated}."
    )
