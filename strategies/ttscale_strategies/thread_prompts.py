"""The prompts of threads, by the names under which the registry knows them."""

from __future__ import annotations

from typing import Final

from ttscale.template import Template

FORK_PARTS: Final = Template.user(
    "{question}\n\nIf this falls into two or more parts that can be worked out without each other's results, "
    "do not solve them: others will, each on its own, and you go on with their results. Name the parts in "
    "this form, each with all that one has to know who sees nothing but that part, and stop behind the last "
    "line:\n<parts>\n<part>1: the first part</part>\n<part>2: the second part</part>\n</parts>\n\n"
    "If it does not fall into such parts, solve it step by step and put the final answer into \\boxed{}."
)
"""Asks a model that was never trained to fork for independent parts of a problem, or for its solution."""

SOLVE_PART: Final = Template.user(
    "This part of a larger problem has been given to you:\n\n{text}\n\nWork out this part and nothing else, "
    "and end with a line that says its result."
)
"""Asks for one of these parts, by what was said of it alone."""

JOIN_PARTS: Final = Template.user(
    "{question}\n\nParts of it have been worked out already, each by somebody who saw no more than that "
    "part:\n\n{results}\n\nPut them together, correct what is wrong, and put the final answer into \\boxed{}."
)
"""Asks for the solution by the results of the parts."""

GO_ON: Final = Template.user(
    "{question}\n\nYou have begun to write the reply. This is what stands there so far:\n\n{text}\n\nGo on "
    "exactly where it ends. Repeat nothing of it, and do not comment on it."
)
"""Asks for what comes next, of a model whose server cannot continue an unfinished reply."""

TITLES: Final = Template.user(
    "{question}\n\nBefore you write out any steps that do not depend on each other, list their titles, one a "
    "line, in the form\n####Title:......\nwith six dots in place of the step, and end the list with the "
    "line\n####%%%%\nThen write each step below its title."
)
"""Asks for titles of steps that can be written side by side (arXiv:2503.20533)."""

SKELETON: Final = Template.user(
    "{question}\n\nDo not answer yet. Write the skeleton of an answer: a numbered list of 3 to 10 points, "
    "each of 3 to 5 words, one a line, and nothing else."
)
"""Asks for the points of an answer (Skeleton-of-Thought, arXiv:2307.15337)."""

EXPAND_POINT: Final = Template.user(
    "{question}\n\nThe skeleton of the answer:\n\n{header}\n\nWrite out point {number}, {text}, and no other "
    "point, in one or two sentences. Do not repeat its number or its words."
)
"""Asks for one of these points."""

STATE: Final = Template.user("{state}")
"""Gives a model that goes on with bare text the state of its sub search (APR, arXiv:2504.15466)."""

BUILTINS: Final = {
    "expand_point": "ttscale_strategies.thread_prompts:EXPAND_POINT",
    "fork_parts": "ttscale_strategies.thread_prompts:FORK_PARTS",
    "go_on": "ttscale_strategies.thread_prompts:GO_ON",
    "join_parts": "ttscale_strategies.thread_prompts:JOIN_PARTS",
    "skeleton": "ttscale_strategies.thread_prompts:SKELETON",
    "solve_part": "ttscale_strategies.thread_prompts:SOLVE_PART",
    "state": "ttscale_strategies.thread_prompts:STATE",
    "titles": "ttscale_strategies.thread_prompts:TITLES",
}
"""Templates of threads by name."""
