"""Put labels on texts without any training.

python examples/labels.py smollm2-135m-instruct
"""

import sys

import autogpt

gpt = autogpt.load(sys.argv[1])
tickets = ["I was charged twice.", "The parcel never arrived.", "The app closes by itself."]
answers = gpt.classify(tickets, labels=["billing", "delivery", "technical"])
for ticket, answer in zip(tickets, answers, strict=True):
    print(max(answer, key=answer.__getitem__), answer, ticket)
