"""Answer in a conversation, word by word.

python examples/chat.py smollm2-135m-instruct
"""

import sys

import autogpt

gpt = autogpt.load(sys.argv[1])
conversation = [autogpt.system("You answer in one sentence."), autogpt.user("Why is the sky blue?")]
for chunk in gpt.stream(conversation, max_tokens=60, temperature=0):
    print(chunk.text, end="", flush=True)
print()
