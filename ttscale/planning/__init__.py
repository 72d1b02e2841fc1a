"""What a strategy will take, before anything runs: tokens, latency, memory, dollars, and when more is no use.

A workload says what the model's answers are like (`described_workload`, `bank_workload`, `pilot_workload`). A
strategy is rehearsed on it (`rehearse`): its own code runs, on a virtual clock, with an understudy in the
model's place. What it took is put on a machine by a roofline (`predict`).
"""

from __future__ import annotations

from ttscale.planning.hardware import Hardware, read_geometry, read_hardware
from ttscale.planning.lengths import expected_order_statistic, lognormal_lengths
from ttscale.planning.piloted import Judge, bank_workload, pilot_workload
from ttscale.planning.prediction import Prediction, Saturation, kinetics_of, predict, saturation_of
from ttscale.planning.rehearsal import Expectation, rehearse
from ttscale.planning.roofline import Fit, Latency, Load, fit, latency
from ttscale.planning.understudy import Cast, Understudy
from ttscale.planning.workload import Draw, Question, Step, Workload, described_workload, whole_draws

__all__ = [
    "Cast",
    "Draw",
    "Expectation",
    "Fit",
    "Hardware",
    "Judge",
    "Latency",
    "Load",
    "Prediction",
    "Question",
    "Saturation",
    "Step",
    "Understudy",
    "Workload",
    "bank_workload",
    "described_workload",
    "expected_order_statistic",
    "fit",
    "kinetics_of",
    "latency",
    "lognormal_lengths",
    "pilot_workload",
    "predict",
    "read_geometry",
    "read_hardware",
    "rehearse",
    "saturation_of",
    "whole_draws",
]
