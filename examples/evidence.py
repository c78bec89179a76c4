"""Summarize a file; say where each sentence comes from.

python examples/evidence.py smollm2-135m-instruct README.md
"""

import sys
from pathlib import Path

import autogpt

gpt = autogpt.load(sys.argv[1])
summary = gpt.summarize(Path(sys.argv[2]).read_text(encoding="utf-8"), length="short")
for item in summary.evidence:
    print("supported" if item.supported else "NOT SUPPORTED", item.spans, item.sentence)
