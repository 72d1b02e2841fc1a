"""The prompts that strategies give a model, by the names under which the registry knows them."""

from __future__ import annotations

from typing import Final

from ttscale.template import Template

REVISE: Final = Template.user(
    "{question}\n\nEarlier attempts, right or wrong:\n\n{attempts}\n\nWrite a correct solution."
)
"""Asks for a better attempt; `attempts` are one or more solutions, `ttscale.template.numbered` as "Attempt"."""

THREADS: Final = Template.user("{question}\n\nSearch for the solution in parallel sub searches.")
"""Asks for a search that calls sub searches (spawn and join, APR, arXiv 2504.15466)."""

THREAD: Final = Template.user("{state}\n\nSearch from this state.")
"""Asks for one sub search; `state` is the two lines with which a trace moves to a node."""

OUTLINES: Final = Template.user("{question}\n\nSplit the work into parallel threads.")
"""Asks for outlines of independent work, one thread each (ThreadWeaver, arXiv 2512.07843)."""

PLAN: Final = Template.user(
    "{question}\n\nPlan calls of add(a, b), subtract(a, b) and multiply(a, b); $1 is the result of call 1."
)
"""Asks for a plan of tool calls that can refer to each other's results (LLMCompiler, arXiv 2312.04511)."""

SAME_ANSWER: Final = Template.user(
    "{question}\n\n{solution}\n\nWill both attempts end in the same answer? Answer + or -."
)
"""Asks whether two beginnings of attempts, `ttscale.template.numbered` as "Attempt", lead to one answer."""

BUILTINS: Final = {
    "outlines": "ttscale_strategies.templates:OUTLINES",
    "plan": "ttscale_strategies.templates:PLAN",
    "revise": "ttscale_strategies.templates:REVISE",
    "same_answer": "ttscale_strategies.templates:SAME_ANSWER",
    "thread": "ttscale_strategies.templates:THREAD",
    "threads": "ttscale_strategies.templates:THREADS",
}
"""Built-in templates of strategies by name."""
