"""ttscale spends test-time compute well: strategies, budgets and evaluation over one batched engine.

```python
import ttscale as tts
from ttscale.strategies import SelfConsistency

outcome = await tts.solve("What is 17 * 23?", model="abacus", strategy=SelfConsistency(n=16))
```
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final

__version__ = "0.1.0"

if TYPE_CHECKING:
    from ttscale.backends import Backend, load_backend
    from ttscale.budget import Budget
    from ttscale.engine import Engine, solve
    from ttscale.errors import TTScaleError
    from ttscale.run import Run
    from ttscale.strategy import Strategy
    from ttscale.types import Message, Outcome, Problem, Prompt, Sample, Sampling, Score, Usage
    from ttscale.verifier import Verifier

# Public names by module; imported on first use, so that `import ttscale` stays quick.
_HOMES: Final = {
    "Backend": "ttscale.backends",
    "Budget": "ttscale.budget",
    "Engine": "ttscale.engine",
    "Message": "ttscale.types",
    "Outcome": "ttscale.types",
    "Problem": "ttscale.types",
    "Prompt": "ttscale.types",
    "Run": "ttscale.run",
    "Sample": "ttscale.types",
    "Sampling": "ttscale.types",
    "Score": "ttscale.types",
    "Strategy": "ttscale.strategy",
    "TTScaleError": "ttscale.errors",
    "Usage": "ttscale.types",
    "Verifier": "ttscale.verifier",
    "load_backend": "ttscale.backends",
    "solve": "ttscale.engine",
}

__all__ = [
    "Backend",
    "Budget",
    "Engine",
    "Message",
    "Outcome",
    "Problem",
    "Prompt",
    "Run",
    "Sample",
    "Sampling",
    "Score",
    "Strategy",
    "TTScaleError",
    "Usage",
    "Verifier",
    "__version__",
    "load_backend",
    "solve",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'ttscale' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
