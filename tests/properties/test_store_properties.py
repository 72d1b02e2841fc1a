"""Whatever is put into the store, and wherever it is cut off: nothing lost, nothing twice."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ttscale.types import Candidate, Outcome, Usage
from ttscale_evals.benchmarks import Grade
from ttscale_evals.store import Result, ResultStore, StoredCell

KEYS = st.sampled_from("abcd")
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)


def make_result(key: str, attempt: int, *, failed: bool, answer: str | None, tokens: int = 1) -> Result:
    return Result(
        key=key,
        cell=0,
        position=ord(key) - ord("a"),
        problem_id=key,
        question=key,
        target=None,
        outcome=Outcome(
            answer=answer,
            text=answer,
            candidates=(Candidate(index=0, answer=answer, key=answer),),
            stop_reason="error" if failed else "finished",
            usage=Usage(generated=tokens),
            trace=({"text": answer},),
        ),
        grade=Grade(correct=not failed, value=None, reason=""),
        attempt=attempt,
    )


class StoreMachine(RuleBasedStateMachine):
    """A model of the store: what was put in first stays; killing the process is a copy of its files."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.copies = 0
        self.expected: dict[tuple[str, int], Result] = {}
        self.seconds: dict[int, float] = {}
        self.open()
        self.store.set_cells(
            [StoredCell(number=0, benchmark="b", strategy="s", num_problems=4, fingerprint="f")]
        )

    def open(self) -> None:
        self.store = ResultStore(self.folder / "store.sqlite", writable=True)

    @rule(key=KEYS, failed=st.booleans(), answer=st.none() | ANY_TEXT, seconds=st.floats(0, 1e6))
    def finish_a_problem(self, key: str, failed: bool, answer: str | None, seconds: float) -> None:
        attempt, had_failed = self.store.attempts().get(key, (-1, True))
        if not had_failed:
            return  # what is done is not done again
        made = make_result(key, attempt + 1, failed=failed, answer=answer)
        self.store.add(made, cell_seconds=seconds)
        self.expected[key, attempt + 1] = made
        self.seconds[self.store.session] = max(seconds, self.seconds.get(self.store.session, 0.0))

    @rule(key=KEYS)
    def put_something_else_in_its_place(self, key: str) -> None:
        attempt, failed = self.store.attempts().get(key, (-1, True))
        if attempt >= 0:
            self.store.add(make_result(key, attempt, failed=not failed, answer="other"), cell_seconds=0.0)
            self.seconds.setdefault(self.store.session, 0.0)

    @rule()
    def end_and_resume(self) -> None:
        self.store.close()
        self.open()

    @rule()
    def be_killed_and_resume(self) -> None:
        self.copies += 1
        after = self.folder / f"killed-{self.copies}"
        after.mkdir()
        for name in ("store.sqlite", "store.sqlite-wal"):
            if (self.folder / name).exists():
                shutil.copy(self.folder / name, after / name)
        self.store.close()
        self.folder = after
        self.copies = 0
        self.open()

    @invariant()
    def holds_each_result_once_as_it_was_first_put_in(self) -> None:
        last = {key: max(n for k, n in self.expected if k == key) for key, _ in self.expected}
        held = [*self.store.results(), *self.store.results(superseded=True)]
        assert [(r.key, r.attempt) for r in self.store.results()] == sorted(last.items())
        assert {(r.key, r.attempt): r for r in held} == {
            place: replace(r, outcome=r.outcome.with_(trace=())) for place, r in self.expected.items()
        }
        traces = {(trace.key, trace.attempt): trace.spans for trace in self.store.traces()}
        assert traces == {place: r.outcome.trace for place, r in self.expected.items()}
        assert self.store.attempts() == {
            key: (number, self.expected[key, number].is_failed) for key, number in last.items()
        }
        assert abs(self.store.wall_seconds(0) - sum(self.seconds.values())) <= 1e-6

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            root = next(
                part for part in (self.folder, *self.folder.parents) if not part.name.startswith("killed-")
            )
            shutil.rmtree(root)


TestStore = StoreMachine.TestCase
TestStore.settings = settings(max_examples=30, stateful_step_count=15, deadline=None)


@given(ANY_TEXT, st.none() | ANY_TEXT, st.integers(0, 2**62), st.none() | st.floats(allow_nan=False))
@settings(max_examples=40, deadline=None)
def test_whatever_a_model_writes_comes_back_as_it_was(
    text: str, answer: str | None, tokens: int, confidence: float | None
) -> None:
    made = make_result("a", 0, failed=False, answer=answer, tokens=tokens)
    outcome = made.outcome.with_(text=text, error=text, confidence=confidence)
    cell = StoredCell(number=0, benchmark=text, strategy=text, num_problems=1, fingerprint="")
    with tempfile.TemporaryDirectory() as folder, ResultStore(Path(folder) / "s", writable=True) as store:
        store.set_cells([cell])
        assert store.cells() == [cell]
        given_result = Result(
            **{name: getattr(made, name) for name in ("key", "cell", "position", "problem_id", "grade")},
            question=text,
            target=answer,
            outcome=outcome,
        )
        store.add(given_result, cell_seconds=0.0)
        assert list(store.results()) == [replace(given_result, outcome=outcome.with_(trace=()))]
        assert [trace.spans for trace in store.traces()] == [outcome.trace]
