"""Strategies compared on recorded samples, in virtual time, without a model.

```
pool.py         what a pool holds: recordings of models on benchmarks
expand.py       from a pool to runs: ordinary configs with `model: replay:POOL` and the benchmark `pool`
comparison.py   all runs of a comparison and their one document; `table.py` and `totals.py` draw it together
engine.py       an engine without a queue, which compares formulas once
session.py      what such a run does beside an ordinary one: new deals, refusals, drawn orders
trials.py       what came of the drawn orders, in the run's directory
reference.py    plain majority voting, straight from the recorded answers
matched.py      strategies against it at equal tokens, samples, critical path and accuracy: pure functions
standing.py     from the stored orders to what a row says of them
```
"""
