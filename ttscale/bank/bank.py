"""`Bank`: recorded samples in SQLite, addressed by model, prompt and sampling settings."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, cast

from ttscale.bank.packing import (
    PackedTop,
    pack_ids,
    pack_top,
    pack_values,
    unpack_ids,
    unpack_top,
    unpack_values,
)
from ttscale.bank.sample import (
    NO_LOGPROBS,
    RecordedModel,
    RecordedProblem,
    RecordedSample,
    SampleHead,
    Series,
    Settings,
    prompt_digest,
    prompt_from_json,
    prompt_json,
    series_key,
)
from ttscale.database import MEMORY, open_database, transaction
from ttscale.errors import DataError
from ttscale.types import JSON, Prompt, SampleUsage

if TYPE_CHECKING:
    from pydantic import TypeAdapter

VERSION: Final = 1
"""Of the layout below and of the files that banks are exported to."""

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
    PRIMARY KEY (key, draw, num_logprobs)
);
CREATE TABLE IF NOT EXISTS problems (
    benchmark TEXT NOT NULL, id TEXT NOT NULL, prompt TEXT NOT NULL, question TEXT, target TEXT,
    PRIMARY KEY (benchmark, id, prompt)
);
"""

_HEAD: Final = (
    "draw, num_logprobs, seed, max_tokens, finish_reason, error, prompt_computed, prompt_cached, generated, "
    "seconds, first_token_seconds"
)
_BODY: Final = "text, prediction, token_ids, logprobs, top_sizes, top_ids, top_values"


class Bank:
    """Recorded samples of any number of models; a context manager. It belongs to the thread that opened it.

    Several processes may record into one file at the same time.
    """

    def __init__(self, path: Path = MEMORY, *, writable: bool = True) -> None:
        """Open a bank, made if it is not there and is to be written.

        Args:
            path: the file; by default one in memory.
            writable: whether samples may be added.

        Raises:
            DataError: it is missing, of another version, or no sample bank.
        """
        self.path = path
        self._connection = open_database(
            path, layout=_LAYOUT, version=VERSION, writable=writable or path == MEMORY, what="sample bank"
        )
        try:
            self._connection.execute("SELECT key FROM series LIMIT 1")
        except sqlite3.DatabaseError as error:
            self._connection.close()
            raise DataError(f"{str(path)!r} is not a sample bank: {error}.") from error

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
        """Note that a prompt asks a problem."""
        row = (problem.benchmark, problem.id, prompt_digest(problem.prompt))
        with self.writing():
            self._add_prompt(problem.prompt)
            self._connection.execute(
                "INSERT OR REPLACE INTO problems VALUES (?, ?, ?, ?, ?)",
                (*row, _dump_text(problem.question), _dump_text(problem.target)),
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
        query = f"SELECT {_HEAD} FROM samples WHERE key = ? AND draw = ? AND num_logprobs = ?"  # noqa: S608  # no input in it
        found = self._connection.execute(query, where).fetchone()
        if found is not None:
            if _fullness(_head(found)) >= _fullness(sample.head):
                return
            self._connection.execute(
                "DELETE FROM samples WHERE key = ? AND draw = ? AND num_logprobs = ?", where
            )
        self._insert(key, draw, sample)

    def _insert(self, key: str, draw: int, sample: RecordedSample) -> None:
        head, top = sample.head, None if sample.top_logprobs is None else pack_top(sample.top_logprobs)
        usage = head.usage
        row = (
            *(key, draw, head.num_logprobs, head.seed, head.max_tokens, head.finish_reason),
            *(_dump_text(head.error), usage.prompt_computed, usage.prompt_cached, usage.generated),
            *(head.seconds, head.first_token_seconds, _dump_text(sample.text), _dump_text(sample.prediction)),
            pack_ids(sample.token_ids) if sample.token_ids else None,
            None if sample.logprobs is None else pack_values(sample.logprobs),
            *((None, None, None) if top is None else (top.sizes, top.ids, top.values)),
        )
        self._connection.execute(f"INSERT INTO samples VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608  # no input in it

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────

    def models(self) -> list[RecordedModel]:
        """Return the models whose samples there are, sorted by name."""
        rows = self._connection.execute("SELECT description FROM models").fetchall()
        models = [_read_model(json.loads(description), str(self.path)) for (description,) in rows]
        return sorted(models, key=lambda model: (model.profile.name, model.fingerprint))

    def vocabulary(self, model: str) -> dict[int, str]:
        """Return the text of every token id noted of a model."""
        query = "SELECT token_id, text FROM vocabulary WHERE model = ?"
        return {token_id: json.loads(text) for token_id, text in self._connection.execute(query, (model,))}

    def encoded(self, model: str, source: Prompt) -> Prompt | None:
        """Return what a model's backend made of a prompt, if that was noted."""
        query = (
            "SELECT prompts.content FROM encodings JOIN prompts ON encodings.prompt = prompts.digest "
            "WHERE encodings.model = ? AND encodings.source = ?"
        )
        found = self._connection.execute(query, (model, prompt_digest(source))).fetchone()
        return None if found is None else self._prompt(found[0])

    def sources(self, model: str) -> list[tuple[Prompt, Prompt]]:
        """Return every prompt noted of a model with what its backend made of it."""
        query = (
            "SELECT encodings.content, prompts.content FROM encodings "
            "JOIN prompts ON encodings.prompt = prompts.digest WHERE encodings.model = ? "
            "ORDER BY encodings.rowid"
        )
        rows = self._connection.execute(query, (model,))
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
                question=_load_text(question),
                target=_load_text(target),
            )
            for benchmark, problem_id, content, question, target in self._connection.execute(query)
        ]

    def series(self, model: str | None = None) -> Iterator[Series]:
        """Yield all series, or those of a model, in the order they were begun."""
        query = (
            "SELECT key, model, content, settings FROM series JOIN prompts ON series.prompt = prompts.digest "
            "WHERE ?1 IS NULL OR model = ?1 ORDER BY series.rowid"
        )
        for key, fingerprint, content, settings in self._connection.execute(query, (model,)).fetchall():
            yield Series(
                key=key, model=fingerprint, prompt=self._prompt(content), settings=_load_settings(settings)
            )

    def settings_of(self, model: str, prompt: Prompt) -> list[tuple[Settings | None, int]]:
        """Return at which settings a model's samples of a prompt were drawn, and how many whole ones each."""
        query = (
            "SELECT settings, COUNT(DISTINCT draw) FROM series JOIN samples USING (key) "
            "WHERE model = ? AND prompt = ? AND finish_reason IN ('stop', 'length') GROUP BY key"
        )
        rows = self._connection.execute(query, (model, prompt_digest(prompt)))
        return [(_load_settings(settings), count) for settings, count in rows]

    def heads(self, key: str) -> list[SampleHead]:
        """Return what is known of a series' samples without their tokens, by draw."""
        query = f"SELECT {_HEAD} FROM samples WHERE key = ? ORDER BY draw, num_logprobs"  # noqa: S608  # no input in it
        return [_head(row) for row in self._connection.execute(query, (key,))]

    def sample(self, key: str, head: SampleHead) -> RecordedSample:
        """Return a sample of a series with its tokens.

        Raises:
            DataError: there is none of this number, or its data are damaged.
        """
        query = f"SELECT {_BODY} FROM samples WHERE key = ? AND draw = ? AND num_logprobs = ?"  # noqa: S608  # no input in it
        row = self._connection.execute(query, (key, head.draw, head.num_logprobs)).fetchone()
        if row is None:
            raise DataError(f"the sample bank {str(self.path)!r} has no sample {head.draw} in {key!r}.")
        return self._with_body(head, row)

    def samples(self, key: str) -> Iterator[RecordedSample]:
        """Yield a series' samples by draw. Errors as `sample`."""
        for head in self.heads(key):
            yield self.sample(key, head)

    def num_samples(self) -> int:
        """Return how many samples there are, beginnings and failures included."""
        return int(self._connection.execute("SELECT COUNT(*) FROM samples").fetchone()[0])

    def has_token_ids(self, model: str) -> bool:
        """Whether the token ids of every sample of a model are known."""
        query = (
            "SELECT COUNT(*) FROM samples JOIN series USING (key) "
            "WHERE model = ? AND token_ids IS NULL AND generated > 0"
        )
        return int(self._connection.execute(query, (model,)).fetchone()[0]) == 0

    def max_logprobs(self, model: str) -> int:
        """Return the greatest `num_logprobs` of a model's samples."""
        query = "SELECT MAX(num_logprobs) FROM samples JOIN series USING (key) WHERE model = ?"
        found = self._connection.execute(query, (model,)).fetchone()[0]
        return NO_LOGPROBS if found is None else int(found)

    def max_generated(self, model: str) -> int:
        """Return the number of tokens of a model's longest sample; 0: it has none."""
        query = "SELECT COALESCE(MAX(generated), 0) FROM samples JOIN series USING (key) WHERE model = ?"
        return int(self._connection.execute(query, (model,)).fetchone()[0])

    def _with_body(self, head: SampleHead, row: Sequence[object]) -> RecordedSample:
        text, prediction, ids, logprobs, sizes, top_ids, top_values = cast(
            "tuple[str | None, str | None, bytes | None, bytes | None, bytes | None, bytes, bytes]", tuple(row)
        )
        try:
            return RecordedSample(
                head=head,
                text=_load_text(text),
                prediction=_load_text(prediction),
                token_ids=() if ids is None else unpack_ids(ids),
                logprobs=None if logprobs is None else unpack_values(logprobs),
                top_logprobs=None if sizes is None else unpack_top(PackedTop(sizes, top_ids, top_values)),
            )
        except ValueError as error:
            raise DataError(
                f"sample {head.draw} in the sample bank {str(self.path)!r} cannot be read: {error}."
            ) from error

    def _prompt(self, content: str) -> Prompt:
        return prompt_from_json(json.loads(content))


def model_from_json(document: Mapping[str, JSON]) -> RecordedModel:
    """Read what `RecordedModel.to_json` wrote.

    Raises:
        pydantic.ValidationError: the document is no such model.
    """
    return _model_reader().validate_python(document)


def _model_reader() -> TypeAdapter[RecordedModel]:
    from pydantic import TypeAdapter

    return TypeAdapter(RecordedModel)


def _read_model(document: Mapping[str, JSON], path: str) -> RecordedModel:
    try:
        return model_from_json(document)
    except ValueError as error:
        raise DataError(f"a model in the sample bank {path!r} cannot be read: {error}.") from error


def _fullness(head: SampleHead) -> tuple[int, bool, bool]:
    """Return how much of a sample a recording holds."""
    return head.usage.generated, head.finish_reason == "stop", head.is_whole


def _head(row: Iterable[object]) -> SampleHead:
    draw, num_logprobs, seed, limit, reason, error, computed, cached, generated, seconds, first = row
    return SampleHead(
        draw=cast("int", draw),
        num_logprobs=cast("int", num_logprobs),
        seed=cast("int | None", seed),
        max_tokens=cast("int | None", limit),
        finish_reason=reason,  # type: ignore[arg-type]  # only its values are ever written
        error=_load_text(cast("str | None", error)),
        usage=SampleUsage(
            prompt_computed=cast("int", computed),
            prompt_cached=cast("int", cached),
            generated=cast("int", generated),
        ),
        seconds=cast("float | None", seconds),
        first_token_seconds=cast("float | None", first),
    )


def _load_settings(text: str | None) -> Settings | None:
    if text is None:
        return None
    document = cast("dict[str, list[object]]", json.loads(text))
    lists = {name: tuple(document.pop(name)) for name in ("stop", "stop_token_ids")}
    return Settings(**document, **lists)  # type: ignore[arg-type]  # as `Settings.to_json` wrote it


def _dump(document: JSON) -> str:
    # Escaped ASCII: a sample may end within a surrogate pair, which is no UTF-8.
    return json.dumps(document)


def _dump_text(text: str | None) -> str | None:
    return None if text is None else json.dumps(text)


def _load_text(written: str | None) -> str | None:
    return None if written is None else cast("str", json.loads(written))
