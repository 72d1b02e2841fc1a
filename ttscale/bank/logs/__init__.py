"""Somebody else's evaluation logs as samples: Inspect, lm-evaluation-harness, tau2-bench; lm-eval lines out.

```python
from pathlib import Path
from ttscale.bank.logs import read_log

for sample in read_log(Path("2026-08-01_gsm8k.eval")):
    print(sample.problem, sample.number, sample.answer, sample.score, sample.usage.generated)
```

Everything a log says of a sample is in a `LoggedSample`; a bank has no place for some of it: the log's costs,
the part of its tokens that is thinking, and the total beside the working time.
"""

from __future__ import annotations

from ttscale.bank.logs.finding import add_log, find_log, read_log
from ttscale.bank.logs.sample import LoggedSample
from ttscale.bank.logs.write_lm_eval import export_lm_eval

__all__ = ["LoggedSample", "add_log", "export_lm_eval", "find_log", "read_log"]
