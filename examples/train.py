"""Train a small model on your own text within a budget, and let it write.

python examples/train.py my-texts/ 2m
"""

import sys

import autogpt

plan = autogpt.plan(sys.argv[1], budget=sys.argv[2])
print(plan)
run = plan.train(out="runs/example")
gpt = autogpt.load("runs/example")
print(gpt.generate("Once", max_tokens=60, seed=0).text)
