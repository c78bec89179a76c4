"""Look at what a model would say next, and how surprised it was by each token.

python examples/inside.py smollm2-135m-instruct "The capital of France is"
"""

import sys

import autogpt

gpt = autogpt.load(sys.argv[1])
answer = gpt.generate(sys.argv[2], max_tokens=5, temperature=0, logprobs=3)
for token in answer.logprobs or ():
    print(token)
print(gpt.inspect(sys.argv[2]).tokens)
