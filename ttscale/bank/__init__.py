"""The sample bank: draw once, then replay every rule and strategy against what was drawn.

```python
from pathlib import Path
from ttscale import Engine, load_backend
from ttscale.bank import Recorder, run_replay
from ttscale.strategies import SelfConsistency

async def record() -> None:
    async with Engine(Recorder(load_backend("abacus"), Path("runs/one/samples.sqlite"))) as engine:
        await engine.solve("What is 17 * 23?", strategy=SelfConsistency(n=32, stop="never"))

async def replay() -> None:
    async with Engine(load_backend("replay:runs/one/samples.sqlite")) as engine:
        await engine.solve("What is 17 * 23?", strategy=SelfConsistency(n=32))

run_replay(replay())
```

1. A bank's address of a series of samples is a hash of model, prompt and whatever of the sampling decides which
   tokens are drawn. Limits and the number of log-probabilities are kept with each sample: a recording with more
   answers a request for less.
2. What is not there is not made up: a replay that needs more than was recorded fails and says so.
3. A replay only sets timers. On a virtual clock (`run_replay`) deadlines, budgets and latencies come out as if
   the samples were drawn at that moment, in the time it takes to handle them.
"""

from __future__ import annotations

from ttscale.bank.bank import Bank
from ttscale.bank.files import copy_bank, export_pool, import_pool, open_pool
from ttscale.bank.filling import bank_to_fill
from ttscale.bank.fingerprint import describe_model, short_names
from ttscale.bank.grades import AnswerGrade, own_grades
from ttscale.bank.plain import Columns
from ttscale.bank.problems import problems_of
from ttscale.bank.recorder import Recorder
from ttscale.bank.sample import (
    NO_LOGPROBS,
    RecordedModel,
    RecordedProblem,
    RecordedSample,
    SampleHead,
    Series,
    Settings,
)
from ttscale.bank.summary import BenchmarkGroup, GradeGroup, ModelSummary, SeriesGroup, summarise
from ttscale.virtual import run_virtual as run_replay

__all__ = [
    "NO_LOGPROBS",
    "AnswerGrade",
    "Bank",
    "BenchmarkGroup",
    "Columns",
    "GradeGroup",
    "ModelSummary",
    "RecordedModel",
    "RecordedProblem",
    "RecordedSample",
    "Recorder",
    "SampleHead",
    "Series",
    "SeriesGroup",
    "Settings",
    "bank_to_fill",
    "copy_bank",
    "describe_model",
    "export_pool",
    "import_pool",
    "open_pool",
    "own_grades",
    "problems_of",
    "run_replay",
    "short_names",
    "summarise",
]
