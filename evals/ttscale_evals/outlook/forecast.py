"""What ``ttscale plan`` says: predictions of several strategies on one model, and what they rest on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from ttscale import __version__
from ttscale.backends import ModelProfile
from ttscale.planning import Hardware, Prediction, Saturation, Workload
from ttscale.types import JSON


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Predictions and their basis."""

    profile: ModelProfile
    workload: Workload
    predictions: Sequence[Prediction]
    hardware: Hardware | None = None
    concurrency: int = 1
    """Questions at work at once."""
    prefix_block: int | None = None
    """Of the prefix cache; ``None``: there is none."""
    saturation: Saturation | None = None
    epsilon: float = 0.01
    """Least gain that a sample is worth."""
    num_questions: int | None = None
    """To be answered; ``None``: one."""

    def total(self, prediction: Prediction, value: float | None) -> float | None:
        """Return what all questions take of something that one takes so much of."""
        return None if value is None or self.num_questions is None else self.num_questions * value

    @property
    def assumptions(self) -> list[str]:
        """All that the numbers take for granted, a sentence each."""
        cache = (
            "No prefix cache: every request computes its prompt, once for all its samples."
            if self.prefix_block is None
            else f"A prefix cache in blocks of {self.prefix_block} tokens, which knows no other question."
        )
        found = [
            f"Answers are like {self.workload.origin}.",
            *self.workload.assumptions,
            "Strategies were rehearsed in virtual time: samples of a question decode side by side, at one "
            "pace, and judging answers takes no time.",
            cache,
        ]
        if self.hardware is not None:
            found += _of_machine(self.hardware, self.concurrency)
        if self.profile.num_parameters is None:
            found.append(f"The geometry of {self.profile.name!r} is not known: no FLOPs, memory and time.")
        if self.saturation is not None:
            found.append(
                "The saturation point takes samples to be independent, and a right one to be found where "
                "there is one; a vote saturates elsewhere."
            )
        return found + [
            f"{prediction.strategy}: {note}."
            for prediction in self.predictions
            for note in prediction.expectation.notes
        ]

    def to_json(self) -> dict[str, JSON]:
        """Return the document of ``ttscale plan --json``."""
        workload = self.workload
        return {
            "version": __version__,
            "model": asdict(self.profile),
            "hardware": None
            if self.hardware is None
            else {**asdict(self.hardware), "sources": list(self.hardware.sources)},
            "concurrency": self.concurrency,
            "num_questions": self.num_questions,
            "workload": {
                "origin": workload.origin,
                "num_questions": len(workload.questions),
                "prompt_tokens": workload.mean_prompt_tokens,
                "answer_tokens": workload.mean_answer_tokens,
                "answer_tokens_p95": workload.p95_answer_tokens,
                "accuracy": workload.accuracy,
            },
            "saturation": None
            if self.saturation is None
            else {**asdict(self.saturation), "epsilon": self.epsilon},
            "strategies": [
                {
                    **one.to_json(),
                    "total_tokens": self.total(one, one.expectation.tokens),
                    "total_usd": self.total(one, one.usd),
                    "total_seconds": None
                    if one.latency is None
                    else self.total(one, one.latency.seconds / self.concurrency),
                }
                for one in self.predictions
            ],
            "assumptions": list[JSON](self.assumptions),
        }


def _of_machine(hardware: Hardware, concurrency: int) -> list[str]:
    """Return what is taken for granted of a machine."""
    found = [
        f"{hardware.name} reaches {hardware.compute_efficiency:.0%} of its peak in arithmetic and "
        f"{hardware.memory_efficiency:.0%} in reading; {hardware.usable_memory:.0%} of its memory can be used; "
        f"a step takes {1000 * hardware.seconds_per_step:g} ms beside.",
        f"{concurrency} question{'s' if concurrency > 1 else ''} at work at once; time is that of one of them.",
    ]
    if hardware.usd_per_hour is None:
        found.append("What an hour of the machine costs is not known; --usd-per-hour says it.")
    return found
