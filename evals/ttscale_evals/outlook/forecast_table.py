"""A forecast as a table for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from rich.text import Text

from ttscale.cli.console import one_line
from ttscale.planning import Prediction
from ttscale_evals.drawing import add_column, drawn, empty_table
from ttscale_evals.outlook.forecast import Forecast
from ttscale_evals.report import formats

_Number: TypeAlias = Callable[[Prediction], float | None]
_Show: TypeAlias = Callable[[float | None], str]


def _bytes(value: float | None) -> str:
    return formats.UNKNOWN if value is None else f"{formats.magnitude(value)}B"


def _eflops(prediction: Prediction) -> float | None:
    return None if prediction.kinetics is None else prediction.kinetics.total * 1e12


def _seconds(prediction: Prediction) -> float | None:
    return None if prediction.latency is None else prediction.latency.seconds


_NUMBERS: Final[Sequence[tuple[str, _Number, _Show]]] = (
    ("samples", lambda one: one.expectation.calls, formats.count),
    ("prompt", lambda one: one.expectation.prompt_computed, formats.magnitude),
    ("tokens", lambda one: one.expectation.tokens, formats.magnitude),
    ("p95", lambda one: one.expectation.tokens_p95, formats.magnitude),
    ("critical path", lambda one: one.expectation.critical_path_tokens, formats.magnitude),
    ("FLOPs", lambda one: one.expectation.flops, formats.magnitude),
    ("eFLOPs", _eflops, formats.magnitude),
    ("KV", lambda one: one.kv_bytes, _bytes),
)


def render_forecast(forecast: Forecast, *, width: int, color: bool = False) -> str:
    """Return what is expected of each strategy, a question, and below it what that rests on.

    Args:
        forecast: what to show.
        width: of the terminal in columns.
        color: whether to write escape sequences.
    """
    has_machine = forecast.hardware is not None
    has_usd = any(one.usd is not None for one in forecast.predictions)
    has_budget = len({one.budget for one in forecast.predictions}) > 1
    table = empty_table()
    for title in ("strategy", *(("budget",) if has_budget else ())):
        add_column(table, title, is_number=False)
    titles = [title for title, _, _ in _NUMBERS]
    titles += ["fits", "seconds"] if has_machine else []
    titles += ["USD"] if has_usd else []
    for title in titles:
        add_column(table, title, is_number=True)
    for one in forecast.predictions:
        sign = "≤ " if one.expectation.basis == "upper bound" else ""
        numbers = [_signed(sign, number(one), show) for _, number, show in _NUMBERS]
        if has_machine:
            numbers += [_fits(one), _signed(sign, _seconds(one), formats.seconds)]
        numbers += [formats.dollars(one.usd)] if has_usd else []
        names = [one.strategy, *([one.budget or "none"] if has_budget else [])]
        table.add_row(*(Text(one_line(name)) for name in names), *numbers)
    lines = [Text(one_line(line, max_chars=500)) for line in (*_summary(forecast), *forecast.assumptions)]
    return drawn([table, *lines], width=width, color=color)


def _signed(sign: str, value: float | None, show: _Show) -> str:
    return show(value) if value is None else f"{sign}{show(value)}"


def _fits(prediction: Prediction) -> str:
    if prediction.fit is None:
        return formats.UNKNOWN
    return "yes" if prediction.fit.is_fitting else f"no, {prediction.fit.max_questions} do"


def _summary(forecast: Forecast) -> list[str]:
    """Return the lines between table and assumptions."""
    workload, found = forecast.workload, list[str]()
    accuracy = "unknown" if workload.accuracy is None else formats.percent(workload.accuracy)
    found.append(
        f"A question: {formats.count(workload.mean_prompt_tokens)} prompt tokens; answers of "
        f"{formats.count(workload.mean_answer_tokens)} tokens, 95 % of them up to "
        f"{formats.count(workload.p95_answer_tokens)}; right: {accuracy}."
    )
    if forecast.num_questions is not None:
        found += [_in_all(forecast, one) for one in forecast.predictions]
    saturation = forecast.saturation
    if saturation is None:
        found.append("Saturation point: unknown, since it is not known which answers are right.")
    else:
        between = "" if saturation.low == saturation.high else f" [{saturation.low}, {saturation.high}]"
        found.append(
            f"Saturation point: {saturation.samples}{between} samples; one more adds at most "
            f"{formats.percent(forecast.epsilon)} (p = {saturation.p:.2f}, at most "
            f"{formats.percent(saturation.f_max)} can be solved)."
        )
    return found


def _in_all(forecast: Forecast, one: Prediction) -> str:
    tokens = formats.magnitude(forecast.total(one, one.expectation.tokens))
    seconds = _seconds(one)
    time = forecast.total(one, None if seconds is None else seconds / forecast.concurrency)
    took = "" if time is None else f", {formats.duration(time)}"
    usd = "" if one.usd is None else f", {formats.dollars(forecast.total(one, one.usd))} USD"
    return f"{one.strategy}, {forecast.num_questions} questions: {tokens} tokens{took}{usd}."
