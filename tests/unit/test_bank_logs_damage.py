"""Whatever is wrong with a log, it is read or refused with a sentence; nothing else happens."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit import test_bank_logs_inspect as inspect_logs
from tests.unit import test_bank_logs_lm_eval as lm_eval_logs
from tests.unit import test_bank_logs_tau2 as tau2_logs
from ttscale.bank import Bank
from ttscale.bank.logs import LoggedSample, add_log
from ttscale.bank.logs.fields import Fields
from ttscale.bank.logs.finding import Log
from ttscale.bank.logs.inspect_log import read_document
from ttscale.bank.logs.lm_eval import Source, read_lines
from ttscale.bank.logs.tau2 import read_results
from ttscale.errors import TTScaleError
from ttscale.records import Record

OWN = {
    "model": "m",
    "benchmark": "b",
    "problem": "p",
    "samples": [{"generated": 3, "finish_reason": "stop", "seconds": 1.0, "has_text": True}],
}
LOGS: dict[str, Any] = {
    "inspect": {
        **inspect_logs.header(),
        "samples": [inspect_logs.member(), inspect_logs.member(3, 2, limit={"type": "token"}, attachments={})],
    },
    "tau2": tau2_logs.results(tau2_logs.run(), tau2_logs.run("0", 1)),
    "lm_eval": [lm_eval_logs.line(), lm_eval_logs.line(1, "a", "b"), lm_eval_logs.line(2, ttscale=OWN)],
}
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text("aZ9 .\x00é٣\u202e\ud800", max_size=5)
    | st.sampled_from(["C", "attachment://a", "assistant", "\ud800", "error"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("az_ é", max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(value: object) -> Iterator[tuple[Any, Any]]:
    """Yield every container within a document with every key or index of it."""
    if isinstance(value, dict | list):
        for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
            yield value, key
            yield from places(inner)


def samples_of(kind: str, document: Any) -> Iterator[LoggedSample]:
    if kind == "inspect":
        return read_document(Fields(document, "the log"))[1]
    if kind == "tau2":
        return read_results(Fields(document, "the log"), Path("nowhere/results.json"))
    records = [Record(f"line {number}", line) for number, line in enumerate(document) if isinstance(line, dict)]
    return read_lines(records, Source(model="m", task="t"))


@settings(max_examples=4 * settings().max_examples)
@given(kind=st.sampled_from(sorted(LOGS)), data=st.data())
def test_a_damaged_log_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    document = copy.deepcopy(LOGS[kind])
    for _ in range(data.draw(st.integers(0, 2))):
        found = list(places(document))
        holder, key = data.draw(st.sampled_from(found))
        if data.draw(st.booleans()):
            holder[key] = data.draw(ANYTHING)
        else:
            del holder[key]
    said, num_samples = "", 0
    with Bank() as bank:
        try:
            log = Log(kind, names_model=True, samples=samples_of(kind, document))
            add_log(log, bank, path=Path("log"))
        except TTScaleError as error:
            said = str(error)
        num_samples = bank.num_samples()
    assert said.endswith(".") if said else num_samples >= 1
