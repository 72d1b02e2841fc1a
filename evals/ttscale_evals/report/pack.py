"""The answers as the page holds them: columns at once, and for each question a packet that is opened later.

Both are JSON, compressed with gzip and written in base64 where they are long: a page of 150,000 answers stays
small enough to open, and a small one can be searched as text. Strings that are there many times (samples shared
by strategies, above all) are there once, and named by place.
"""

from __future__ import annotations

import base64
import gzip
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, cast

from ttscale.cli.console import finite
from ttscale.types import JSON, Candidate
from ttscale_evals.report.causes import Causes
from ttscale_evals.report.data import Answer
from ttscale_evals.report.naming import Naming
from ttscale_evals.report.text import MAX_LABEL_CHARS, label, shown

MAX_DETAIL_CHARS: Final = 16_000_000
"""Of all packets together, as they stand in the page."""
MAX_PLAIN_ANSWERS: Final = 1_000
"""Up to so many answers the columns stay as they are."""
MAX_SAMPLES: Final = 256
"""Most samples of a problem the page holds."""
MAX_SPANS: Final = 400
"""Most spans of a problem the page holds."""
_NUM_COLUMNS: Final = 8
_RESULTS: Final = ("right", "wrong", "failed")


@dataclass(frozen=True, slots=True)
class Packed:
    """What goes into the page."""

    index: str
    packets: tuple[str, ...]
    num_left_out: int
    """Questions whose samples are not in the page."""


@dataclass(slots=True)
class _Strings:
    """Texts with a number each."""

    all: list[str] = field(default_factory=list[str])
    numbers: dict[str, int] = field(default_factory=dict[str, int])

    def __call__(self, text: str | None) -> int:
        """Return the text's number; -1: there is none."""
        if text is None:
            return -1
        number = self.numbers.setdefault(text, len(self.all))
        if number == len(self.all):
            self.all.append(text)
        return number


def pack(answers: Sequence[Answer], found: Causes, *, max_detail_chars: int = MAX_DETAIL_CHARS) -> Packed:
    """Return the answers as columns, and what is known of each in packets.

    Args:
        answers: in the order of the page.
        found: their causes.
        max_detail_chars: packets beyond this are left out, the last questions of each benchmark first.
    """
    strings, systems, benchmarks = _Strings(), _Strings(), _Strings()
    naming = Naming(answers)
    questions: dict[tuple[str, str], list[int]] = {}
    rows: list[list[JSON]] = []
    ordinal: dict[tuple[str, str], int] = {}
    for number, (answer, mask) in enumerate(zip(answers, found.masks, strict=True)):
        key = (answer.benchmark, answer.problem_id)
        questions.setdefault(key, []).append(number)
        rows.append(
            [
                ordinal.setdefault(key, len(ordinal)),
                systems(label(naming.name(answer))),
                _RESULTS.index(answer.result),
                strings(None if answer.answer is None else label(answer.answer)),
                answer.tokens,
                _rounded(answer.seconds),
                strings(label(answer.stop_reason)),
                mask,
            ]
        )
    packets, places, left_out = _packets(answers, list(questions.values()), max_detail_chars)
    firsts = [answers[numbers[0]] for numbers in questions.values()]
    index: JSON = {
        "systems": cast("list[JSON]", systems.all),
        "questions": [
            [
                benchmarks(label(answer.benchmark)),
                label(answer.problem_id),
                shown(answer.question, max_chars=MAX_LABEL_CHARS),
                shown(answer.target, max_chars=MAX_LABEL_CHARS),
                place,
            ]
            for answer, place in zip(firsts, places, strict=True)
        ],
        "benchmarks": cast("list[JSON]", benchmarks.all),
        "strings": cast("list[JSON]", strings.all),
        "columns": [[row[place] for row in rows] for place in range(_NUM_COLUMNS)],
    }
    is_small = len(answers) <= MAX_PLAIN_ANSWERS
    return Packed(json_for_script(index) if is_small else _squeezed(index), tuple(packets), left_out)


def _packets(
    answers: Sequence[Answer], questions: Sequence[Sequence[int]], max_chars: int
) -> tuple[list[str], list[int], int]:
    """Return the packets, of each question the place of its packet (-1: none), and how many have none."""
    seen: dict[str, int] = {}
    order: list[tuple[int, int]] = []
    for question, numbers in enumerate(questions):
        benchmark = answers[numbers[0]].benchmark
        order.append((seen.setdefault(benchmark, 0), question))
        seen[benchmark] += 1
    packets, places, used = list[str](), [-1] * len(questions), 0
    for _, question in sorted(order):
        packet = _packet(answers, questions[question])
        used += len(packet)
        if used > max_chars:
            break
        places[question] = len(packets)
        packets.append(packet)
    return packets, places, places.count(-1)


def _packet(answers: Sequence[Answer], numbers: Sequence[int]) -> str:
    strings = _Strings()
    details = {str(number): _details(answers[number], strings) for number in numbers}
    return _squeezed({"strings": cast("list[JSON]", strings.all), "answers": details})


def _details(answer: Answer, strings: _Strings) -> JSON:
    samples, spans = _samples(answer, strings), _spans(answer, strings)
    return {
        "question": strings(shown(answer.question)),
        "target": strings(shown(answer.target)),
        "text": strings(shown(answer.text)),
        "error": strings(shown(answer.error)),
        "reason": strings(shown(answer.reason or None, max_chars=1_000)),
        "confidence": _rounded(answer.confidence),
        "samples": samples[:MAX_SAMPLES],
        "more_samples": max(0, len(samples) - MAX_SAMPLES),
        "spans": spans,
        "more_spans": max(0, len(answer.spans) - MAX_SPANS),
    }


def _samples(answer: Answer, strings: _Strings) -> list[JSON]:
    """Return the candidates with the text of their samples, then the samples that made no candidate."""
    drawn: dict[str, list[Mapping[str, JSON]]] = {}
    for span in answer.spans:
        if span["kind"] == "sample":
            drawn.setdefault(str(span["name"]), []).append(_attributes(span))
    rows: list[JSON] = []
    for candidate in answer.candidates:
        known = drawn.get(f"sample {candidate.index}")
        rows.append(_candidate(candidate, known.pop(0) if known else {}, strings))
    for name, rest in drawn.items():
        rows += [_sample(name, attributes, strings) for attributes in rest]
    return rows


def _candidate(candidate: Candidate, attributes: Mapping[str, JSON], strings: _Strings) -> JSON:
    return [
        strings(str(candidate.index)),
        strings(None if candidate.answer is None else label(candidate.answer)),
        strings(None if candidate.key is None else label(candidate.key)),
        _rounded(candidate.score),
        candidate.num_tokens,
        strings(candidate.finish_reason),
        strings(_text(attributes)),
        strings(shown(_string(attributes.get("error")))),
        1,
    ]


def _sample(name: str, attributes: Mapping[str, JSON], strings: _Strings) -> JSON:
    return [
        strings(label(name.removeprefix("sample "))),
        *(-1, -1, None, attributes.get("generated") or 0),
        strings(label(_string(attributes.get("finish_reason")) or "unfinished")),
        strings(_text(attributes)),
        strings(shown(_string(attributes.get("error")))),
        0,
    ]


def _spans(answer: Answer, strings: _Strings) -> list[JSON]:
    """Return the spans: number, parent, kind, name, start, end, a note."""
    return [
        [
            span["id"],
            span["parent"],
            strings(label(str(span["kind"]))),
            strings(label(str(span["name"]), max_chars=80)),
            _rounded(cast("float | None", span["start"])),
            _rounded(cast("float | None", span["end"])),
            strings(_note(_attributes(span))),
        ]
        for span in answer.spans[:MAX_SPANS]
    ]


def _note(attributes: Mapping[str, JSON]) -> str:
    """Return what a span came to: tokens, finish, stop reason."""
    parts = list[str]()
    for name, unit in (("generated", " tokens"), ("finish_reason", ""), ("stop_reason", ""), ("model", "")):
        value = attributes.get(name)
        if value is not None:
            parts.append(f"{value}{unit}")
    return label(", ".join(parts))


def _attributes(span: Mapping[str, JSON]) -> Mapping[str, JSON]:
    return cast("Mapping[str, JSON]", span["attributes"])


def _text(attributes: Mapping[str, JSON]) -> str | None:
    return shown(_string(attributes.get("text")))


def _string(value: JSON) -> str | None:
    return None if value is None else str(value)


def _rounded(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.5g}")


def json_for_script(document: JSON) -> str:
    """Return JSON that cannot end or open a script element: every <, > and & is written as an escape."""
    written = json.dumps(finite(document), allow_nan=False, separators=(",", ":"))
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _squeezed(document: JSON) -> str:
    written = json.dumps(document, allow_nan=False, separators=(",", ":"), ensure_ascii=False)
    return base64.b64encode(gzip.compress(written.encode(), compresslevel=6, mtime=0)).decode()
