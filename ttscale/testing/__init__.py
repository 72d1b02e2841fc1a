"""Test kit for whoever writes strategies, verifiers and backends: a scripted engine and a virtual clock.

```python
from ttscale.testing import FakeBackend, noisy_answers, virtual_clock

@virtual_clock
async def test_my_strategy() -> None:
    backend = FakeBackend(noisy_answers("42", 0.6, ["7", "13"]))
    async with Engine(backend) as engine:
        outcome = await engine.solve("How much?", strategy=MyStrategy(n=4))
    assert backend.num_running == 0
```
"""

from __future__ import annotations

from ttscale.testing.backend_checks import check_backend
from ttscale.testing.clock import virtual_clock
from ttscale.testing.fake import EVERYTHING, FakeBackend, Record
from ttscale.testing.fake_reward_model import FakeRewardModel
from ttscale.testing.function_strategy import FunctionStrategy
from ttscale.testing.script import Reply, Rule, Script, noisy_answers
from ttscale.testing.strategy_checks import check_strategy
from ttscale.testing.verifier_checks import check_verifier
from ttscale.testing.workers import VirtualEngine
from ttscale.virtual import BlockingWorkers, Deadlock, RealWait, VirtualLoop, run_virtual

__all__ = [
    "EVERYTHING",
    "BlockingWorkers",
    "Deadlock",
    "FakeBackend",
    "FakeRewardModel",
    "FunctionStrategy",
    "RealWait",
    "Record",
    "Reply",
    "Rule",
    "Script",
    "VirtualEngine",
    "VirtualLoop",
    "check_backend",
    "check_strategy",
    "check_verifier",
    "noisy_answers",
    "run_virtual",
    "virtual_clock",
]
