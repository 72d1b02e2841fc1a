"""Writing samples as lm-evaluation-harness does: a line a problem, with all its samples as repeats."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ttscale.answers import answer_key, extract_answer
from ttscale.bank.bank import Bank
from ttscale.bank.gathering import ESTIMATED
from ttscale.bank.logs.lm_eval import OWN
from ttscale.bank.problems import problems_of
from ttscale.bank.replacing import replacing_lines
from ttscale.bank.sample import RecordedModel, RecordedProblem, RecordedSample, Series, Settings
from ttscale.errors import ConfigError, DataError
from ttscale.types import JSON, Prompt

FILTER = "extract-answer"
"""What the filter is called that took the answers."""
METRIC = "exact_match"
"""The share of a problem's samples whose answer is the target's equal, failed ones among them; where samples
brought grades of this name, their mean."""

_KEYS: Final = (
    *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics"),
    *("doc_hash", "prompt_hash", "target_hash", OWN),
)
"""Of a line; a grade of such a name is left to `OWN`."""


def export_lm_eval(bank: Bank, path: Path, *, recorded: RecordedModel, benchmark: str | None = None) -> int:
    """Write a benchmark's samples as lm-evaluation-harness does; return how many samples that were.

    Args:
        bank: the samples.
        path: ``.jsonl`` or ``.jsonl.gz``, replaced if it is there; ``samples_TASK_DATE.jsonl``, say.
        recorded: as for `lm_eval_lines`.
        benchmark: as for `lm_eval_lines`.

    Raises:
        ConfigError: as `lm_eval_lines`.
        DataError: the file has another ending, or cannot be written.
    """
    if not path.name.endswith((".jsonl", ".jsonl.gz")):
        raise DataError(f"{str(path)!r} has another ending than a file of lm-eval's; use .jsonl or .jsonl.gz.")
    num_samples = 0
    with replacing_lines(path) as write:
        for line, count in lm_eval_lines(bank, recorded=recorded, benchmark=benchmark):
            write(line)
            num_samples += count
    return num_samples


def lm_eval_lines(
    bank: Bank, *, recorded: RecordedModel, benchmark: str | None = None
) -> Iterator[tuple[dict[str, JSON], int]]:
    """Yield a line for each problem of a benchmark, and how many samples it has.

    Keys are those of a ``samples_*.jsonl``. One more, ``ttscale``, has what the harness has no place for:
    model, benchmark, and each sample's tokens, seconds, end and grades. A failed sample is a text as far as it
    came. Grades that all samples of a problem brought are metrics too, with their mean.

    Args:
        bank: the samples; of those drawn at several settings, each problem may have only one.
        recorded: the model.
        benchmark: which; ``None``: the only one.

    Raises:
        ConfigError: there is no such benchmark, one must be chosen, or samples were drawn at several settings.
    """
    problems = _problems(bank, recorded, benchmark)
    by_prompt = dict[Prompt, list[Series]]()
    for series in bank.series(recorded.fingerprint):
        by_prompt.setdefault(series.prompt, []).append(series)
    sources = {encoded: source for source, encoded in bank.sources(recorded.fingerprint)}
    for number, problem in enumerate(problems):
        held = by_prompt[problem.prompt]
        if len(held) > 1:
            raise ConfigError(
                f"{str(bank.path)!r} holds samples of {problem.name!r} at {len(held)} settings, and a line of "
                f"lm-eval's has one; export it in our own form."
            )
        samples = _one_a_draw(bank, held[0])
        told = sources.get(problem.prompt, problem.prompt)
        yield _line(number, problem, told, samples, held[0].settings, recorded), len(samples)


def _problems(bank: Bank, model: RecordedModel, benchmark: str | None) -> list[RecordedProblem]:
    prompts = {series.prompt for series in bank.series(model.fingerprint)}
    noted = [problem for problem in bank.problems() if problem.prompt in prompts]
    if not noted:
        noted = [
            RecordedProblem(
                benchmark=name,
                id=problem.id,
                prompt=bank.encoded(model.fingerprint, problem.prompt) or problem.prompt,
                question=problem.prompt.question,
            )
            for name, problem in problems_of(bank, model.fingerprint)
        ]
    names = list(dict.fromkeys(problem.benchmark for problem in noted))
    known = ", ".join(map(repr, names)) or "none"
    if benchmark is None and len(names) > 1:
        raise ConfigError(
            f"{str(bank.path)!r} holds {len(names)} benchmarks, and a file of lm-eval's has one; choose one: "
            f"{known}."
        )
    chosen = [problem for problem in noted if benchmark in (None, problem.benchmark)]
    if not chosen:
        raise ConfigError(f"{str(bank.path)!r} has no benchmark {benchmark!r} of this model; it has: {known}.")
    return chosen


def _one_a_draw(bank: Bank, series: Series) -> list[RecordedSample]:
    """Return a series' samples; of recordings of the same one that with most tokens."""
    best = dict[int, RecordedSample]()
    for sample in bank.samples(series.key):
        known = best.get(sample.head.draw)
        if known is None or sample.head.usage.generated > known.head.usage.generated:
            best[sample.head.draw] = sample
    return list(best.values())


def _line(
    number: int,
    problem: RecordedProblem,
    told: Prompt,
    samples: Sequence[RecordedSample],
    settings: Settings | None,
    model: RecordedModel,
) -> dict[str, JSON]:
    prompt = _prompt_text(told)
    document: dict[str, JSON] = {"id": problem.id, "question": problem.question or told.question}
    target = problem.target or ""
    answers = [_answer(sample) for sample in samples]
    shown: list[JSON] = [answer or "[invalid]" for answer in answers]
    metrics = _metrics(answers, samples, problem.target)
    return {
        "doc_id": number,
        "doc": document,
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": _generation(settings)}},
        "resps": [[sample.shown for sample in samples]],
        "filtered_resps": shown if len(shown) == 1 else [shown],
        "filter": FILTER,
        "metrics": list(metrics),
        "doc_hash": _hash(json.dumps(document, indent=2, ensure_ascii=False)),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash(target),
        **metrics,
        OWN: {
            "model": model.profile.name,
            "benchmark": problem.benchmark,
            "problem": problem.id,
            "are_tokens_estimated": model.version == ESTIMATED,
            "samples": [_cost(sample) for sample in samples],
        },
    }


def _prompt_text(prompt: Prompt) -> str:
    """Return a prompt as the harness would write it: text, or a conversation as JSON."""
    if len(prompt.messages) == 1 and prompt.messages[0].role == "user":
        return prompt.messages[0].content
    if prompt.messages:
        return json.dumps([{"role": one.role, "content": one.content} for one in prompt.messages])
    return prompt.text or ""


def _generation(settings: Settings | None) -> dict[str, JSON]:
    if settings is None:
        return {"until": []}
    given: dict[str, JSON] = {
        "temperature": settings.temperature,
        "top_p": settings.top_p,
        "top_k": settings.top_k,
        "do_sample": not settings.is_greedy,
    }
    return {"until": list(settings.stop), **{name: value for name, value in given.items() if value is not None}}


def _answer(sample: RecordedSample) -> str | None:
    if sample.prediction is not None or sample.text is None:
        return sample.prediction
    return extract_answer(sample.text)


def _metrics(
    answers: Sequence[str | None], samples: Sequence[RecordedSample], target: str | None
) -> dict[str, float]:
    """Return what is known of all samples of a problem: the share of right ones, the means of grades."""
    share = _share_right(answers, samples, target)
    metrics = {} if share is None else {METRIC: share}
    for name in samples[0].grades:
        given = [grade for sample in samples if (grade := sample.grades.get(name)) is not None]
        if len(given) == len(samples) and name not in _KEYS:
            metrics[name] = sum(given) / len(given)
    return metrics


def _share_right(
    answers: Sequence[str | None], samples: Sequence[RecordedSample], target: str | None
) -> float | None:
    """Return which share of the answers is the target's equal, a failed sample's never; ``None``: no target."""
    wanted = answer_key(target)
    if wanted is None:
        return None
    right = [
        answer_key(answer) == wanted and sample.head.is_whole
        for answer, sample in zip(answers, samples, strict=True)
    ]
    return sum(right) / len(right)


def _cost(sample: RecordedSample) -> dict[str, JSON]:
    head = sample.head
    return {
        "prompt_computed": head.usage.prompt_computed,
        "prompt_cached": head.usage.prompt_cached,
        "generated": head.usage.generated,
        "seconds": head.seconds,
        "finish_reason": head.finish_reason,
        "error": head.error,
        "has_text": sample.text is not None,
        **({"grades": dict(sample.grades)} if sample.grades else {}),
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()
