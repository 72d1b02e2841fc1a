"""Sample banks, and what is read as one: exports and others' logs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ttscale.answers import extract_answer
from ttscale.bank import Bank, Columns, RecordedSample, SampleHead, open_pool
from ttscale.bank.sample import prompt_digest, series_key
from ttscale.types import Prompt
from ttscale_evals.benchmarks.create import reasoning_gym_sets
from ttscale_evals.benchmarks.pool import PoolBenchmark
from ttscale_evals.curves.collection import Asked, Collection, Drawn
from ttscale_evals.replay.pool import Recording, read_pool


def read_bank(path: Path, *, scorer: str | None = None) -> list[Collection]:
    """Return what a bank, an export or a log holds: of each benchmark the samples at the fullest settings.

    Args:
        path: the file.
        scorer: of a log, the scorer or filter whose answers count; ``None``: the first.

    Raises:
        DataError: it is broken, or holds no problems, or a problem of a reasoning-gym set is not the set's.
        ConfigError: there is no such scorer or filter.
    """
    columns = {} if scorer is None else {"prediction": scorer}
    pool = read_pool(path, columns)
    with open_pool(path, columns=Columns.parse(columns)) as bank:
        return [_collection(bank, path, recording) for recording in pool.recordings]


def _collection(bank: Bank, path: Path, recording: Recording) -> Collection:
    checker, problems = None, recording.problems
    if recording.benchmark.partition(":")[0] in reasoning_gym_sets():
        checker = PoolBenchmark(
            path=str(path),
            name=recording.benchmark,
            recorded=recording.model.fingerprint,
            original=recording.benchmark,
        )
        problems = checker.problems()
    samples, num_stopped = list[list[RecordedSample]](), 0
    for problem in problems:
        heads = _heads(bank, recording, problem.prompt)
        ended = [(key, head) for key, head in heads if head.finish_reason != "abort"]
        num_stopped += len(heads) - len(ended)
        samples.append([bank.sample(key, head) for key, head in ended])
    has_answers = any(sample.prediction is not None for own in samples for sample in own)
    asked = [
        Asked(problem=problem, samples=[_drawn(sample, has_answers=has_answers) for sample in own])
        for problem, own in zip(problems, samples, strict=True)
    ]
    return Collection(
        model=recording.name,
        benchmark=recording.benchmark,
        problems=asked,
        checker=checker,
        notes=_notes(recording, num_stopped),
    )


def _heads(bank: Bank, recording: Recording, prompt: Prompt) -> list[tuple[str, SampleHead]]:
    """Return each draw of a prompt at the recording's settings: its series' key, and what holds most of it."""
    model = recording.model.fingerprint
    key = series_key(model, prompt_digest(bank.encoded(model, prompt) or prompt), recording.settings)
    fullest = dict[int, SampleHead]()
    for head in bank.heads(key):
        known = fullest.get(head.draw)
        if known is None or (head.is_whole, head.num_logprobs) > (known.is_whole, known.num_logprobs):
            fullest[head.draw] = head
    return [(key, fullest[draw]) for draw in sorted(fullest)]


def _drawn(sample: RecordedSample, *, has_answers: bool) -> Drawn:
    """Return a sample; somebody took answers from it and its like, or they are found in the text now."""
    if sample.head.finish_reason == "error":
        return Drawn(answer=None, grades=sample.grades, has_failed=True)
    answer = sample.prediction if has_answers else extract_answer(sample.shown)
    return Drawn(answer=answer, grades=sample.grades)


def _notes(recording: Recording, num_stopped: int) -> Sequence[str]:
    notes = list[str]()
    if recording.other_settings:
        others = "; ".join(recording.other_settings)
        notes.append(f"there are samples at other settings too, in no number here: {others}")
    if num_stopped:
        notes.append(
            f"{num_stopped:,} samples that were stopped are in no number; what is stopped tends to be long"
        )
    return notes
