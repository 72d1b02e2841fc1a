"""ttscale as the reasoning engine of an agent with two tools: `python examples/agent_tools.py`."""

import asyncio

import ttscale as tts
from ttscale.strategies import LLMCompiler
from ttscale.tools import FunctionTool

QUESTION = "State the final answer to the following arithmetic problem: 48 + 91 - 17 + 66 ="
TOOLS = (
    FunctionTool(name="add", function=lambda a, b: a + b),
    FunctionTool(name="subtract", function=lambda a, b: a - b),
)
# abacus has learnt to write plans in the words of the template "plan", and nothing about observations.
agent = LLMCompiler(tools=TOOLS, template="plan", joiner="last")
outcome = asyncio.run(tts.solve(QUESTION, model="abacus", strategy=agent, budget=tts.Budget(tool_calls=9)))
print(f"answer: {outcome.answer}, by {outcome.usage.tool_calls} calls of tools in {outcome.seconds:.2f} s")
