"""Per-sample logs of lm-evaluation-harness: ``samples_TASK_DATE.jsonl``, a line a document and filter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, get_args

from typing_extensions import TypedDict

from ttscale.bank.grades import grade_of
from ttscale.bank.logs.fields import Fields, load_json
from ttscale.bank.logs.sample import LoggedSample
from ttscale.bank.logs.usage import estimated
from ttscale.errors import ConfigError, DataError
from ttscale.records import Record
from ttscale.types import FinishReason, SampleUsage

OWN: Final = "ttscale"
"""The key of what only our own export says."""
_MUST_HAVE: Final = ("doc_id", "doc", "arguments", "resps", "filtered_resps")
_QUESTIONS: Final = ("question", "problem", "query", "Question", "Problem", "input", "prompt", "goal")
"""Where a document's question is looked for."""
_NO_ANSWER: Final = "[invalid]"
_FILE: Final = re.compile(
    r"samples_(?P<task>.+?)(?:_(?P<date>\d{4}-\d\d-\d\dT[\d.:-]+))?\.(?:jsonl|ndjson)(?:\.gz)?$"
)


def is_lm_eval(row: Mapping[str, object]) -> bool:
    """Whether a row is a line of such a log."""
    return all(name in row for name in _MUST_HAVE)


@dataclass(frozen=True, slots=True)
class Source:
    """What a log's name and neighbours say of it."""

    model: str
    task: str
    """Empty: unknown."""

    @classmethod
    def of(cls, path: Path, model: str | None) -> Source:
        """Return whose samples of what these are.

        Args:
            path: the log.
            model: if it was named; else ``results_DATE.json`` beside the log says it, or the file's name is it.

        Raises:
            DataError: the file beside it is damaged.
        """
        found = _FILE.match(path.name)
        task = found["task"] if found else ""
        date = found["date"] if found else None
        beside = path.with_name(f"results_{date}.json")
        if model is None and date and beside.is_file():
            place = repr(str(beside))
            results = Fields.of(load_json(beside.read_bytes(), place), place)
            model = results.name("model_name") if "model_name" in results else None
        return cls(model=model or path.name.split(".")[0], task=task)


def read_lines(
    records: Iterable[Record], source: Source, *, filter_name: str | None = None
) -> Iterator[LoggedSample]:
    """Yield the samples of a log, document by document.

    Lines of further filters repeat a document's samples with other answers; their scores are kept, their
    answers are not.

    Args:
        records: its lines.
        source: what its name says.
        filter_name: the filter whose answers count; ``None``: that of the first line.

    Raises:
        DataError: a line is damaged, repeats another, or has no generated texts.
        ConfigError: there is no such filter.
    """
    documents = dict[str, list[Fields]]()
    for record in records:
        line = Fields(record.fields, record.place)
        documents.setdefault(line.name("doc_id"), []).append(line)
    names = list(dict.fromkeys(_filter(line) for lines in documents.values() for line in lines))
    chosen = names[0] if filter_name is None and names else filter_name
    if chosen not in names:
        known = ", ".join(map(repr, names))
        raise ConfigError(f"the log has no filter {chosen!r}; it has: {known}. Name one of these.")
    for lines in documents.values():
        yield from _read_document(lines, chosen, source)


def _filter(line: Fields) -> str:
    return line.text("filter") or "none"


def _read_document(lines: Sequence[Fields], chosen: str, source: Source) -> Iterator[LoggedSample]:
    by_filter = dict[str, Fields]()
    for line in lines:
        name = _filter(line)
        if name in by_filter:
            raise DataError(
                f"{line.place} is document {line.name('doc_id')!r} with the filter {name!r}, as "
                f"{by_filter[name].place} is; take one of them out."
            )
        by_filter[name] = line
    if chosen not in by_filter:
        raise DataError(f"{lines[0].place}: document {lines[0].name('doc_id')!r} has no line of {chosen!r}.")
    main = by_filter[chosen]
    texts = _texts(main)
    for line in lines:
        if _texts(line) != texts:
            raise DataError(f"{line.place} has other texts than {main.place}, and is of the same document.")
    answers = _answers(main, texts)
    scores = _scores(by_filter, chosen) if len(texts) == 1 else {}
    prompt = _prompt(main)
    question = _question(main, prompt)
    own = _Own(main, len(texts))
    for number, text in enumerate(texts):
        yield LoggedSample(
            place=main.place,
            model=own.name("model") or source.model,
            benchmark=own.name("benchmark") if own else source.task,
            problem=own.name("problem") or main.name("doc_id"),
            number=number,
            question=question,
            prompt=None if prompt == question else prompt,
            target=_target(main, own),
            answer=answers[number],
            scores=own.grades(number) if own else scores,
            **own.of(number, text),
        )


# ── what a line says ──────────────────────────────────────────────────────────────────────────────────────


def _texts(line: Fields) -> list[str]:
    """Return the generated texts.

    Raises:
        DataError: there are none, as choices were scored, or they answer several requests.
    """
    requests = line.items("resps")
    if len(requests) != 1 or not _is_generation(line):
        raise DataError(
            f"{line.place} has {len(requests)} requests whose texts were not all generated: a task of choices "
            f"or of log-likelihoods, say. Only tasks that generate (generate_until) are read."
        )
    repeats = requests[0] if isinstance(requests[0], list) else [requests[0]]
    texts = [text for text in cast("list[object]", repeats) if isinstance(text, str)]
    if not texts or len(texts) != len(cast("list[object]", repeats)):
        raise line.wrong("resps", "a list of the texts of each request")
    return texts


def _arguments(line: Fields) -> Sequence[object]:
    """Return the arguments of the first request: once written as a list, now as an object."""
    given = line.values.get("arguments")
    if isinstance(given, list):
        first = next(iter(cast("list[object]", given)), None)
        return cast("list[object]", first) if isinstance(first, list) else ()
    return list(line.inner("arguments").inner("gen_args_0").values.values())


def _is_generation(line: Fields) -> bool:
    arguments = _arguments(line)
    return len(arguments) >= 2 and isinstance(arguments[1], dict)


def _prompt(line: Fields) -> str | None:
    asked = _arguments(line)[0]
    if isinstance(asked, list) and len(cast("list[object]", asked)) == 1:
        asked = cast("list[object]", asked)[0]  # a conversation, as JSON text
    if not isinstance(asked, str):
        raise line.wrong("arguments", "a request with a prompt in text")
    return asked or None


def _question(line: Fields, prompt: str | None) -> str | None:
    document = line.values.get("doc")
    if isinstance(document, dict):
        values = cast("dict[str, object]", document)
        found = (values[name] for name in _QUESTIONS if name in values)
        question = next((value for value in found if isinstance(value, str) and value.strip()), None)
        if question is not None:
            return question
    return prompt


def _answers(line: Fields, texts: Sequence[str]) -> list[str | None]:
    """Return the answer that the filter took from each text; ``None``: none, or it kept one for all."""
    kept = line.items("filtered_resps")
    first = kept[0] if kept else None
    taken = cast("list[object]", first) if isinstance(first, list) else [first]
    if len(taken) != len(texts):
        return [None] * len(texts)
    return [
        answer if isinstance(answer, str) and answer and answer not in (text, _NO_ANSWER) else None
        for answer, text in zip(taken, texts, strict=True)
    ]


def _scores(by_filter: Mapping[str, Fields], chosen: str) -> dict[str, float | None]:
    """Return the scores by metric: first the chosen filter's, then those of others as ``FILTER/METRIC``."""
    return {
        metric if name == chosen else f"{name}/{metric}": grade_of(line.values.get(metric))
        for name, line in {chosen: by_filter[chosen], **by_filter}.items()
        for metric in line.items("metrics")
        if isinstance(metric, str)
    }


def _target(line: Fields, own: _Own) -> str | None:
    target = line.values.get("target")
    if own and target == "":
        return None
    return None if target is None else str(target)


class _Ending(TypedDict):
    """How a text ended and what it cost, as a sample has it."""

    text: str | None
    finish_reason: FinishReason
    error: str | None
    usage: SampleUsage
    are_tokens_estimated: bool
    total_seconds: float | None


def _finish_reason(row: Fields) -> FinishReason:
    reason = row.text("finish_reason")
    if reason not in get_args(FinishReason):
        raise row.wrong("finish_reason", f"one of {', '.join(get_args(FinishReason))}")
    if (reason == "error") != ("error" in row):
        raise row.wrong("error", f"the error of a sample with finish_reason={reason!r}")
    return cast("FinishReason", reason)


class _Own:
    """What our own export says beside; false where it says nothing."""

    def __init__(self, line: Fields, num_texts: int) -> None:
        self._fields = line.inner(OWN)
        self._rows = self._fields.objects("samples")
        if self._rows and len(self._rows) != num_texts:
            raise DataError(
                f"{line.place} has {num_texts} texts and says of {len(self._rows)} how long they are."
            )

    def __bool__(self) -> bool:
        return bool(self._rows)

    def name(self, name: str) -> str:
        return self._fields.text(name) or ""

    def grades(self, number: int) -> dict[str, float | None]:
        """Return what graders elsewhere gave a sample before it was exported."""
        grades = self._rows[number].inner("grades").values
        return {name: grade_of(grade) for name, grade in grades.items()}

    def of(self, number: int, text: str) -> _Ending:
        """Return how a text ended and what it cost."""
        if not self._rows:
            return _Ending(
                text=text,
                finish_reason="stop",
                error=None,
                usage=estimated(text),
                are_tokens_estimated=bool(text),
                total_seconds=None,
            )
        row = self._rows[number]
        return _Ending(
            text=None if row.values.get("has_text") is False else text,
            finish_reason=_finish_reason(row),
            error=row.text("error"),
            usage=SampleUsage(
                prompt_computed=row.whole("prompt_computed") or 0,
                prompt_cached=row.whole("prompt_cached") or 0,
                generated=row.whole("generated") or 0,
            ),
            are_tokens_estimated=self._fields.values.get("are_tokens_estimated") is True,
            total_seconds=row.number("seconds"),
        )
