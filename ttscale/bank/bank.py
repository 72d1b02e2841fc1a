"""`Bank`: recorded samples in SQLite, addressed by model, prompt and sampling settings."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

from ttscale.bank.sample import (
    NO_LOGPROBS,
    RecordedModel,
    RecordedProblem,
    RecordedSample,
    SampleHead,
    Series,
    Settings,
    model_from_json,
    prompt_digest,
    prompt_from_json,
    prompt_json,
    series_key,
)
from ttscale.bank.stored import (
    BODY,
    BODY_WITHOUT_GRADES,
    HEAD,
    dump_text,
    load_grades,
    load_settings,
    load_text,
    read_body,
    read_head,
    sample_row,
)
from ttscale.database import MEMORY, open_database, transaction
from ttscale.errors import DataError
from ttscale.types import JSON, Prompt

VERSION: Final = 2
"""Of the layout below and of the files that banks are exported to. Version 1 had no grades."""

_UPGRADES: Final = {1: "ALTER TABLE samples ADD COLUMN grades TEXT;"}

_LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS models (fingerprint TEXT PRIMARY KEY, description TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS vocabulary (
    model TEXT NOT NULL, token_id INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY (model, token_id)
);
CREATE TABLE IF NOT EXISTS prompts (digest TEXT PRIMARY KEY, content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS encodings (
    model TEXT NOT NULL, source TEXT NOT NULL, content TEXT NOT NULL, prompt TEXT NOT NULL,
    PRIMARY KEY (model, source)
);
CREATE TABLE IF NOT EXISTS series (
    key TEXT PRIMARY KEY, model TEXT NOT NULL, prompt TEXT NOT NULL, settings TEXT
);
CREATE TABLE IF NOT EXISTS samples (
    key TEXT NOT NULL, draw INTEGER NOT NULL, num_logprobs INTEGER NOT NULL, seed INTEGER,
    max_tokens INTEGER, finish_reason TEXT NOT NULL, error TEXT,
    prompt_computed INTEGER NOT NULL, prompt_cached INTEGER NOT NULL, generated INTEGER NOT NULL,
    seconds REAL, first_token_seconds REAL, text TEXT, prediction TEXT,
    token_ids BLOB, logprobs BLOB, top_sizes BLOB, top_ids BLOB, top_values BLOB,
    grades TEXT,
    PRIMARY KEY (key, draw, num_logprobs)
);
CREATE TABLE IF NOT EXISTS problems (
    benchmark TEXT NOT NULL, id TEXT NOT NULL, prompt TEXT NOT NULL, question TEXT, target TEXT,
    PRIMARY KEY (benchmark, id, prompt)
);
"""

_ADD_PROBLEM: Final = """
INSERT INTO problems VALUES (?, ?, ?, ?, ?) ON CONFLICT (benchmark, id, prompt) DO UPDATE
SET question = COALESCE(excluded.question, question), target = COALESCE(excluded.target, target)
"""


class Bank:
    """Recorded samples of any number of models; a context manager. It belongs to the thread that opened it.

    Several processes may record into one file at the same time.
    """

    def __init__(self, path: Path = MEMORY, *, writable: bool = True, source: Path | None = None) -> None:
        """Open a bank, made if it is not there and is to be written.

        Args:
            path: the file; by default one in memory.
            writable: whether samples may be added.
            source: of one in memory, the file that is read into it.

        Raises:
            DataError: it is missing, of another version, or no sample bank.
        """
        self.path = source or path
        """What messages call it."""
        self._connection = open_database(
            path,
            layout=_LAYOUT,
            version=VERSION,
            writable=writable or path == MEMORY,
            what="sample bank",
            upgrades=_UPGRADES,
        )
        try:
            self._connection.execute("SELECT key FROM series LIMIT 1")
            self._has_grades = self._connection.execute("PRAGMA user_version").fetchone()[0] > 1
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise DataError(
                f"{str(path)!r} is not a sample bank: {error}; name one that `ttscale pool record` has made."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; calling it twice is harmless."""
        self._connection.close()

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def writing(self) -> Generator[None]:
        """Make everything added within the block one transaction."""
        if self._connection.in_transaction:
            yield
            return
        with transaction(self._connection):
            yield

    def add_model(self, model: RecordedModel) -> None:
        """Note a model; its latest description counts."""
        with self.writing():
            self._connection.execute(
                "INSERT OR REPLACE INTO models VALUES (?, ?)", (model.fingerprint, _dump(model.to_json()))
            )

    def add_vocabulary(self, model: str, texts: Mapping[int, str]) -> None:
        """Note the text of token ids of a model, by its fingerprint."""
        with self.writing():
            self._connection.executemany(
                "INSERT OR IGNORE INTO vocabulary VALUES (?, ?, ?)",
                [(model, token_id, _dump(text)) for token_id, text in texts.items()],
            )

    def add_encoding(self, model: str, source: Prompt, encoded: Prompt) -> None:
        """Note what a model's backend made of a prompt."""
        row = (model, prompt_digest(source), _dump(prompt_json(source)), prompt_digest(encoded))
        with self.writing():
            self._add_prompt(encoded)
            self._connection.execute("INSERT OR IGNORE INTO encodings VALUES (?, ?, ?, ?)", row)

    def add_problem(self, problem: RecordedProblem) -> None:
        """Note that a prompt asks a problem; its latest question and target count, an unknown one does not."""
        row = (problem.benchmark, problem.id, prompt_digest(problem.prompt))
        with self.writing():
            self._add_prompt(problem.prompt)
            self._connection.execute(
                _ADD_PROBLEM, (*row, dump_text(problem.question), dump_text(problem.target))
            )

    def add_series(self, model: str, prompt: Prompt, settings: Settings | None) -> Series:
        """Return the series of a model's samples of a prompt at these settings, begun if it is new."""
        prompt_hash = prompt_digest(prompt)
        key = series_key(model, prompt_hash, settings)
        written = None if settings is None else _dump(settings.to_json())
        with self.writing():
            self._add_prompt(prompt)
            self._connection.execute(
                "INSERT OR IGNORE INTO series VALUES (?, ?, ?, ?)", (key, model, prompt_hash, written)
            )
        return Series(key=key, model=model, prompt=prompt, settings=settings)

    def _add_prompt(self, prompt: Prompt) -> None:
        self._connection.execute(
            "INSERT OR IGNORE INTO prompts VALUES (?, ?)", (prompt_digest(prompt), _dump(prompt_json(prompt)))
        )

    def add_sample(self, key: str, sample: RecordedSample, *, is_seeded: bool = False) -> None:
        """Add a sample to a series.

        Args:
            key: of the series.
            sample: what to add.
            is_seeded: whether its seed says which sample it is. Then a sample of the same seed is not another
                draw: of two with the same log-probabilities the longer is kept.

        Raises:
            DataError: there is another sample of this number.
        """
        with self.writing():
            head = sample.head
            draw = self._draw_of_seed(key, head.seed) if is_seeded and head.seed is not None else None
            if draw is not None:
                self._replace(key, draw, sample)
                return
            try:
                self._insert(key, head.draw, sample)
            except sqlite3.IntegrityError as error:
                raise DataError(f"there are two samples with the number {head.draw} of one prompt.") from error

    def _draw_of_seed(self, key: str, seed: int) -> int | None:
        query = "SELECT draw FROM samples WHERE key = ? AND seed = ?"
        found = self._connection.execute(query, (key, seed)).fetchone()
        return None if found is None else int(found[0])

    def _replace(self, key: str, draw: int, sample: RecordedSample) -> None:
        where = (key, draw, sample.head.num_logprobs)
        query = f"SELECT {HEAD} FROM samples WHERE key = ? AND draw = ? AND num_logprobs = ?"  # noqa: S608  # no input in it
        found = self._connection.execute(query, where).fetchone()
        if found is not None:
            if _fullness(read_head(found)) >= _fullness(sample.head):
                return
            self._connection.execute(
                "DELETE FROM samples WHERE key = ? AND draw = ? AND num_logprobs = ?", where
            )
        self._insert(key, draw, sample)

    def _insert(self, key: str, draw: int, sample: RecordedSample) -> None:
        row = sample_row(key, draw, sample)
        self._connection.execute(f"INSERT INTO samples VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608  # no input in it

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────

    def models(self) -> list[RecordedModel]:
        """Return the models whose samples there are, sorted by name."""
        rows = self._rows("SELECT description FROM models")
        models = [_read_model(json.loads(description), str(self.path)) for (description,) in rows]
        return sorted(models, key=lambda model: (model.profile.name, model.fingerprint))

    def vocabulary(self, model: str) -> dict[int, str]:
        """Return the text of every token id noted of a model."""
        query = "SELECT token_id, text FROM vocabulary WHERE model = ?"
        return {token_id: json.loads(text) for token_id, text in self._rows(query, model)}

    def encoded(self, model: str, source: Prompt) -> Prompt | None:
        """Return what a model's backend made of a prompt, if that was noted."""
        query = (
            "SELECT prompts.content FROM encodings JOIN prompts ON encodings.prompt = prompts.digest "
            "WHERE encodings.model = ? AND encodings.source = ?"
        )
        found = self._rows(query, model, prompt_digest(source))
        return self._prompt(found[0][0]) if found else None

    def sources(self, model: str) -> list[tuple[Prompt, Prompt]]:
        """Return every prompt noted of a model with what its backend made of it."""
        query = (
            "SELECT encodings.content, prompts.content FROM encodings "
            "JOIN prompts ON encodings.prompt = prompts.digest WHERE encodings.model = ? "
            "ORDER BY encodings.rowid"
        )
        rows = self._rows(query, model)
        return [(self._prompt(source), self._prompt(encoded)) for source, encoded in rows]

    def problems(self) -> list[RecordedProblem]:
        """Return all problems, in the order they were noted."""
        query = (
            "SELECT benchmark, id, content, question, target FROM problems "
            "JOIN prompts ON problems.prompt = prompts.digest ORDER BY problems.rowid"
        )
        return [
            RecordedProblem(
                benchmark=benchmark,
                id=problem_id,
                prompt=self._prompt(content),
                question=load_text(question),
                target=load_text(target),
            )
            for benchmark, problem_id, content, question, target in self._rows(query)
        ]

    def series(self, model: str | None = None) -> Iterator[Series]:
        """Yield all series, or those of a model, in the order they were begun."""
        query = (
            "SELECT key, model, content, settings FROM series JOIN prompts ON series.prompt = prompts.digest "
            "WHERE ?1 IS NULL OR model = ?1 ORDER BY series.rowid"
        )
        for key, fingerprint, content, settings in self._rows(query, model):
            yield Series(
                key=key, model=fingerprint, prompt=self._prompt(content), settings=load_settings(settings)
            )

    def settings_of(self, model: str, prompt: Prompt) -> list[tuple[Settings | None, int]]:
        """Return at which settings a model's samples of a prompt were drawn, and how many whole ones each."""
        query = (
            "SELECT settings, COUNT(DISTINCT draw) FROM series JOIN samples USING (key) "
            "WHERE model = ? AND prompt = ? AND finish_reason IN ('stop', 'length') GROUP BY key"
        )
        rows = self._rows(query, model, prompt_digest(prompt))
        return [(load_settings(settings), count) for settings, count in rows]

    def heads(self, key: str, seeds: Sequence[int] | None = None) -> list[SampleHead]:
        """Return what is known of a series' samples without their tokens, by draw.

        Args:
            key: of the series.
            seeds: those of these seeds; ``None``: all.
        """
        chosen = "" if seeds is None else f"AND seed IN ({', '.join('?' * len(seeds))})"
        query = f"SELECT {HEAD} FROM samples WHERE key = ? {chosen} ORDER BY draw, num_logprobs"  # noqa: S608  # no input in it
        return [read_head(row) for row in self._rows(query, key, *(seeds or ()))]

    def sample(self, key: str, head: SampleHead) -> RecordedSample:
        """Return a sample of a series with its tokens.

        Raises:
            DataError: there is none of this number, or its data are damaged.
        """
        body = BODY if self._has_grades else BODY_WITHOUT_GRADES
        query = f"SELECT {body} FROM samples WHERE key = ? AND draw = ? AND num_logprobs = ?"  # noqa: S608  # no input in it
        rows = self._rows(query, key, head.draw, head.num_logprobs)
        if not rows:
            raise DataError(f"the sample bank {str(self.path)!r} has no sample {head.draw} in {key!r}.")
        try:
            return read_body(head, rows[0])
        except ValueError as error:
            raise DataError(
                f"sample {head.draw} in the sample bank {str(self.path)!r} cannot be read: {error}."
            ) from error

    def samples(self, key: str) -> Iterator[RecordedSample]:
        """Yield a series' samples by draw. Errors as `sample`."""
        for head in self.heads(key):
            yield self.sample(key, head)

    def predictions(self, key: str) -> Mapping[str | None, int] | None:
        """Return how often each answer was taken from a series' samples; ``None``: of some, nobody said one.

        The answer ``None`` was taken from a sample that has none.
        """
        query = (
            "SELECT prediction, COUNT(*), SUM(prediction IS NULL AND text IS NOT NULL) FROM samples "
            "WHERE key = ? GROUP BY prediction"
        )
        rows = self._rows(query, key)
        if any(num_unsaid for _, _, num_unsaid in rows):
            return None
        return {load_text(prediction): count for prediction, count, _ in rows}

    def grades(self, key: str) -> dict[int, Mapping[str, float | None]]:
        """Return the grades of those of a series' samples that brought some, by draw."""
        if not self._has_grades:
            return {}
        query = "SELECT draw, grades FROM samples WHERE key = ? AND grades IS NOT NULL ORDER BY draw"
        return {draw: load_grades(grades) for draw, grades in self._rows(query, key)}

    def num_samples(self) -> int:
        """Return how many samples there are, beginnings and failures included."""
        return self._number("SELECT COUNT(*) FROM samples") or 0

    def has_token_ids(self, model: str) -> bool:
        """Whether the token ids of every sample of a model are known."""
        query = (
            "SELECT COUNT(*) FROM samples JOIN series USING (key) "
            "WHERE model = ? AND token_ids IS NULL AND generated > 0"
        )
        return self._number(query, model) == 0

    def has_seconds(self, model: str) -> bool:
        """Whether it is known of every sample of a model how long it took."""
        query = "SELECT COUNT(*) FROM samples JOIN series USING (key) WHERE model = ? AND seconds IS NULL"
        return self._number(query, model) == 0

    def max_logprobs(self, model: str) -> int:
        """Return the greatest `num_logprobs` of a model's samples."""
        query = "SELECT MAX(num_logprobs) FROM samples JOIN series USING (key) WHERE model = ?"
        found = self._number(query, model)
        return NO_LOGPROBS if found is None else found

    def max_generated(self, model: str) -> int:
        """Return the number of tokens of a model's longest sample; 0: it has none."""
        query = "SELECT MAX(generated) FROM samples JOIN series USING (key) WHERE model = ?"
        return self._number(query, model) or 0

    def _rows(self, query: str, *parameters: object) -> list[Any]:
        try:
            return self._connection.execute(query, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            raise DataError(
                f"the sample bank {str(self.path)!r} cannot be read: {error}; restore it or take another."
            ) from error

    def _number(self, query: str, *parameters: object) -> int | None:
        return cast("int | None", self._rows(query, *parameters)[0][0])

    def _prompt(self, content: str) -> Prompt:
        return prompt_from_json(json.loads(content))


def _read_model(document: Mapping[str, JSON], path: str) -> RecordedModel:
    try:
        return model_from_json(document)
    except ValueError as error:
        raise DataError(f"a model in the sample bank {path!r} cannot be read: {error}.") from error


def _fullness(head: SampleHead) -> tuple[int, bool, bool]:
    """Return how much of a sample a recording holds."""
    return head.usage.generated, head.finish_reason == "stop", head.is_whole


def _dump(document: JSON) -> str:
    return json.dumps(document)
