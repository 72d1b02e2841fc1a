"""The answers as the page holds them: columns at once, and for each question a packet that is opened later.

Both are JSON, compressed with gzip and written in base64 where they are long: a page of 150,000 answers stays
small enough to open, and a small one can be searched as text. Strings that are there many times (samples shared
by strategies, above all) are there once, and named by place. Search trees have packets of their own, one for
each answer, and a limit of their own, so that great trees do not push out samples.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from ttscale.cli.console import finite
from ttscale.types import JSON, Candidate
from ttscale_evals.report.causes import Causes
from ttscale_evals.report.data import Answer
from ttscale_evals.report.naming import Naming
from ttscale_evals.report.strings import Strings, rounded, squeezed
from ttscale_evals.report.text import MAX_LABEL_CHARS, label, shown
from ttscale_evals.report.time_lines import LinePackets, time_line
from ttscale_evals.report.tree_packets import MAX_TREE_CHARS, MAX_TREES, TreePackets, summary
from ttscale_evals.report.trees import is_node, search_trees

MAX_DETAIL_CHARS: Final = 16_000_000
"""Of all packets but those of trees together, as they stand in the page."""
MAX_PLAIN_ANSWERS: Final = 1_000
"""Up to so many answers the columns stay as they are."""
MAX_SAMPLES: Final = 256
"""Most samples of a problem the page holds."""
_NUM_COLUMNS: Final = 8
_RESULTS: Final = ("right", "wrong", "failed")


@dataclass(frozen=True, slots=True)
class Packed:
    """What goes into the page."""

    index: str
    packets: tuple[str, ...]
    num_left_out: int
    """Questions whose samples are not in the page."""
    trees: tuple[str, ...] = ()
    num_trees_left_out: int = 0
    """Answers whose search trees are not in the page."""
    lines: tuple[str, ...] = ()
    """Of time lines too long to stand with the samples."""


def pack(
    answers: Sequence[Answer],
    found: Causes,
    *,
    max_detail_chars: int = MAX_DETAIL_CHARS,
    max_tree_chars: int = MAX_TREE_CHARS,
) -> Packed:
    """Return the answers as columns, and what is known of each in packets.

    Args:
        answers: in the order of the page.
        found: their causes.
        max_detail_chars: packets beyond this are left out, the last questions of each benchmark first.
        max_tree_chars: the same for the packets of search trees.
    """
    strings, systems, benchmarks = Strings(), Strings(), Strings()
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
                rounded(answer.seconds),
                strings(label(answer.stop_reason)),
                mask,
            ]
        )
    trees = TreePackets(max_tree_chars)
    lines = LinePackets()
    packets, places, num_searched = _packets(answers, list(questions.values()), max_detail_chars, trees, lines)
    firsts = [answers[numbers[0]] for numbers in questions.values()]
    index: JSON = {
        "systems": cast("list[JSON]", systems.all),
        "questions": [
            [benchmarks(label(answer.benchmark)), *_question(answer), place]
            for answer, place in zip(firsts, places, strict=True)
        ],
        "benchmarks": cast("list[JSON]", benchmarks.all),
        "strings": cast("list[JSON]", strings.all),
        "columns": [[row[place] for row in rows] for place in range(_NUM_COLUMNS)],
    }
    is_small = len(answers) <= MAX_PLAIN_ANSWERS
    return Packed(
        index=json_for_script(index) if is_small else squeezed(index),
        packets=tuple(packets),
        num_left_out=places.count(-1),
        trees=tuple(trees.lines),
        num_trees_left_out=num_searched - len(trees.lines),
        lines=tuple(lines.lines),
    )


def _question(answer: Answer) -> list[JSON]:
    """Return what the list of problems says of a question: its id, text and target."""
    texts = (shown(text, max_chars=MAX_LABEL_CHARS) for text in (answer.question, answer.target))
    return [label(answer.problem_id), *texts]


def _packets(
    answers: Sequence[Answer],
    questions: Sequence[Sequence[int]],
    max_chars: int,
    trees: TreePackets,
    lines: LinePackets,
) -> tuple[list[str], list[int], int]:
    """Return the packets, of each question the place of its packet (-1: none), and how many answers have trees.

    Args:
        answers: all.
        questions: the numbers of each one's answers.
        max_chars: of all packets.
        trees: get those of the questions that have a packet.
        lines: the same for long time lines.
    """
    packets, places, used, num_searched = list[str](), [-1] * len(questions), 0, 0
    order = _in_turn([answers[numbers[0]].benchmark for numbers in questions])
    for question in order:
        num_trees, num_lines, strings = len(trees.lines), len(lines.lines), Strings()
        own = {str(number): _details(answers[number], strings, trees, lines) for number in questions[question]}
        packet = squeezed({"strings": cast("list[JSON]", strings.all), "answers": cast("JSON", own)})
        used += len(packet)
        if used > max_chars:
            del trees.lines[num_trees:]  # nothing would lead to them
            lines.drop(num_lines)
            break
        num_searched += sum(detail["trees"] is not None for detail in own.values())
        places[question] = len(packets)
        packets.append(packet)
    left_out = [number for question in order[len(packets) :] for number in questions[question]]
    num_searched += sum(any(map(is_node, answers[number].spans)) for number in left_out)
    return packets, places, num_searched


def _in_turn(benchmarks: Sequence[str]) -> list[int]:
    """Return the places of questions, the first of each benchmark before the second ones."""
    seen: dict[str, int] = {}
    order: list[tuple[int, int]] = []
    for place, benchmark in enumerate(benchmarks):
        order.append((seen.setdefault(benchmark, 0), place))
        seen[benchmark] += 1
    return [place for _, place in sorted(order)]


def _details(answer: Answer, strings: Strings, trees: TreePackets, lines: LinePackets) -> dict[str, JSON]:
    spans = tuple(answer.spans)
    samples = _samples(answer.candidates, spans, strings)
    others = [span for span in spans if not is_node(span)]
    return {
        "question": strings(shown(answer.question)),
        "target": strings(shown(answer.target)),
        "text": strings(shown(answer.text)),
        "error": strings(shown(answer.error)),
        "reason": strings(shown(answer.reason or None, max_chars=1_000)),
        "confidence": rounded(answer.confidence),
        "samples": samples[:MAX_SAMPLES],
        "more_samples": max(0, len(samples) - MAX_SAMPLES),
        **time_line(others, strings, lines),
        "trees": _trees(spans, trees),
    }


def _trees(spans: Sequence[Mapping[str, JSON]], packets: TreePackets) -> JSON:
    """Return what is known at once of an answer's search trees, and the place of their packet."""
    found = search_trees(spans)
    if not found:
        return None
    return {
        "place": packets.add(found),
        "summaries": [summary(tree) for tree in found[:MAX_TREES]],
        "more_trees": max(0, len(found) - MAX_TREES),
    }


def _samples(
    candidates: Sequence[Candidate], spans: Sequence[Mapping[str, JSON]], strings: Strings
) -> list[JSON]:
    """Return the candidates with the text of their samples, then the samples that made no candidate.

    Samples of a search tree's nodes are left out: they are steps, and stand in the tree.
    """
    drawn: dict[str, list[Mapping[str, JSON]]] = {}
    within_nodes = set[JSON]()
    for span in spans:  # parents before children
        if is_node(span) or span["parent"] in within_nodes:
            within_nodes.add(span["id"])
        elif span["kind"] == "sample":
            drawn.setdefault(str(span["name"]), []).append(_attributes(span))
    rows: list[JSON] = []
    for candidate in candidates:
        known = drawn.get(f"sample {candidate.index}")
        rows.append(_candidate(candidate, known.pop(0) if known else {}, strings))
    for name, rest in drawn.items():
        rows += [_sample(name, attributes, strings) for attributes in rest]
    return rows


def _candidate(candidate: Candidate, attributes: Mapping[str, JSON], strings: Strings) -> JSON:
    return [
        strings(str(candidate.index)),
        strings(None if candidate.answer is None else label(candidate.answer)),
        strings(None if candidate.key is None else label(candidate.key)),
        rounded(candidate.score),
        candidate.num_tokens,
        strings(candidate.finish_reason),
        strings(_text(attributes)),
        strings(shown(_string(attributes.get("error")))),
        1,
    ]


def _sample(name: str, attributes: Mapping[str, JSON], strings: Strings) -> JSON:
    return [
        strings(label(name.removeprefix("sample "))),
        *(-1, -1, None, attributes.get("generated") or 0),
        strings(label(_string(attributes.get("finish_reason")) or "unfinished")),
        strings(_text(attributes)),
        strings(shown(_string(attributes.get("error")))),
        0,
    ]


def _attributes(span: Mapping[str, JSON]) -> Mapping[str, JSON]:
    return cast("Mapping[str, JSON]", span["attributes"])


def _text(attributes: Mapping[str, JSON]) -> str | None:
    return shown(_string(attributes.get("text")))


def _string(value: JSON) -> str | None:
    return None if value is None else str(value)


def json_for_script(document: JSON) -> str:
    """Return JSON that cannot end or open a script element: every <, > and & is written as an escape."""
    written = json.dumps(finite(document), allow_nan=False, separators=(",", ":"))
    return written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
