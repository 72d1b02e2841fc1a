"""From what a strategy spends to what that takes on a machine, and up to where more samples are worth it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

from ttscale.backends.base import ModelProfile
from ttscale.budget.kinetics import FLOPS_PER_ELEMENT, KineticsCost
from ttscale.budget.saturation import UnitsRange, fit_saturation, saturation_point
from ttscale.planning.hardware import Hardware
from ttscale.planning.rehearsal import Expectation
from ttscale.planning.roofline import Fit, Latency, Load, decode_flops, fit, latency
from ttscale.planning.workload import Workload
from ttscale.types import JSON

_SECONDS_PER_HOUR: Final = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What is expected of one strategy; everything is of one question, ``None`` is unknown."""

    strategy: str
    budget: str
    expectation: Expectation
    kv_bytes: float | None = None
    """Of the cache at its fullest."""
    fit: Fit | None = None
    latency: Latency | None = None
    usd: float | None = None
    """By the hardware's hour, shared by the questions at work; without a machine, by token prices."""
    kinetics: KineticsCost | None = None
    """Of decoding, by Kinetics with a prompt's cache read once for all samples that share it."""

    def to_json(self) -> dict[str, JSON]:
        """Return a plain JSON object."""
        document: dict[str, JSON] = {
            "strategy": self.strategy,
            "budget": self.budget,
            **asdict(self.expectation),
            "notes": list(self.expectation.notes),
            "kv_bytes": self.kv_bytes,
            "fits": None if self.fit is None else self.fit.is_fitting,
            "memory": None if self.fit is None else asdict(self.fit),
            "latency_seconds": None if self.latency is None else self.latency.seconds,
            "latency": None if self.latency is None else asdict(self.latency),
            "usd": self.usd,
            "usd_by_tokens": self.expectation.usd,
            "kinetics_eflops": None if self.kinetics is None else self.kinetics.total * 1e12,
        }
        return document


def predict(
    strategy: str,
    expectation: Expectation,
    profile: ModelProfile,
    *,
    budget: str = "",
    hardware: Hardware | None = None,
    concurrency: int = 1,
) -> Prediction:
    """Return what a strategy takes on a machine.

    Args:
        strategy: what to call it.
        expectation: what it spends.
        profile: the model.
        budget: what to call its budget.
        hardware: the machine; ``None``: nothing is said of time and of fitting.
        concurrency: questions at work at once, >= 1.
    """
    load = load_of(expectation)
    held, taken = None, None
    if hardware is not None and load is not None:
        held = fit(profile, hardware, load, concurrency=concurrency)
        taken = latency(profile, hardware, load, concurrency=concurrency)
    usd = expectation.usd if hardware is None else None
    if taken is not None and hardware is not None and hardware.usd_per_hour is not None:
        usd = taken.seconds / concurrency * hardware.usd_per_hour / _SECONDS_PER_HOUR
    peak, kv_bytes = expectation.peak_kv_tokens, profile.kv_bytes_per_token
    return Prediction(
        strategy=strategy,
        budget=budget,
        expectation=expectation,
        kv_bytes=None if peak is None or kv_bytes is None else peak * kv_bytes,
        fit=held,
        latency=taken,
        usd=usd,
        kinetics=kinetics_of(expectation, profile, hardware),
    )


def load_of(expectation: Expectation) -> Load | None:
    """Return what a strategy asks of an engine; ``None``: that is not known well enough."""
    generated, path = expectation.generated, expectation.critical_path_tokens
    prompt, steps, peak = expectation.prompt_computed, expectation.kv_token_steps, expectation.peak_kv_tokens
    if generated is None or path is None or prompt is None or steps is None or peak is None:
        return None
    return Load(
        prompt_computed=prompt,
        generated=generated,
        critical_path_tokens=path,
        kv_token_steps=steps,
        peak_kv_tokens=peak,
    )


def kinetics_of(
    expectation: Expectation, profile: ModelProfile, hardware: Hardware | None = None
) -> KineticsCost | None:
    """Return the cost of decoding in equivalent FLOPs (Kinetics, arXiv:2506.05333).

    `ttscale.budget.kinetics.kinetics_cost` is the same of N samples that share a prompt and are equally long,
    but for half a position a token: there the i-th token attends to L + i positions, i from 0.5. Here positions
    are counted in the rehearsal, whatever prompts and continuations share and however long samples are.

    Args:
        expectation: what is spent.
        profile: the model.
        hardware: says what reading is worth; ``None``: the paper's number.
    """
    load, shared = load_of(expectation), expectation.kv_token_steps_shared
    parts = (
        profile.num_parameters,
        profile.num_layers,
        profile.num_heads,
        profile.num_kv_heads,
        profile.head_dim,
    )
    if load is None or shared is None or None in parts:
        return None
    width = (profile.num_layers or 0) * (profile.num_kv_heads or 0) * (profile.head_dim or 0)
    worth = FLOPS_PER_ELEMENT if hardware is None else hardware.flops_per_element
    return KineticsCost(decode_flops(profile, load) * 1e-12, 4.0 * width * shared * worth * 1e-12)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saturation:
    """Up to how many samples one more is worth it, if a right one is found whenever there is one."""

    samples: int
    low: int
    high: int
    """Of 95 % confidence; as `samples` where nothing was measured."""
    p: float
    """Chance that a sample of a question that can be solved is right."""
    f_max: float
    """Share of questions that can be solved."""


def saturation_of(workload: Workload, *, epsilon: float, seed: int = 0) -> Saturation | None:
    """Return the saturation point of a workload (TTSPM, arXiv:2505.20522); ``None``: nobody knows who is right.

    Args:
        workload: its draws are the pilot samples; of a described one all questions are equally hard.
        epsilon: least gain in accuracy that a sample is worth, > 0.
        seed: of the bootstrap.
    """
    accuracy = workload.accuracy
    if accuracy is None:
        return None
    if not workload.are_draws_measured:
        point = saturation_point(accuracy, epsilon=epsilon)
        return Saturation(samples=point, low=point, high=point, p=accuracy, f_max=1.0)
    counts = [len(question.draws) for question in workload.questions]
    if max(counts) < 2:
        return None
    fitted = fit_saturation(counts, [question.num_right for question in workload.questions], seed=seed)
    units: UnitsRange = fitted.saturation_point(epsilon=epsilon)
    return Saturation(
        samples=units.units, low=units.low, high=units.high, p=fitted.p.value, f_max=fitted.f_max.value
    )
