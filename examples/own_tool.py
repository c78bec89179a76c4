"""Give the agent a tool of your own: a typed function with a docstring.

python examples/own_tool.py smollm2-135m-instruct
"""

import sys

import autogpt


def stock(item: str) -> int:
    """Return how many pieces of an item are in stock."""
    return {"valve": 12, "boiler": 3}.get(item, 0)


result = autogpt.Agent(autogpt.load(sys.argv[1]), tools=[stock]).run("Use stock to count: valve")
print(result.state, result.answer)
