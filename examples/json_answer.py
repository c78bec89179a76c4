"""Get an answer that is always valid JSON of a schema.

python examples/json_answer.py smollm2-135m-instruct
"""

import json
import sys

import autogpt

schema = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}},
    "required": ["name", "age"],
}
gpt = autogpt.load(sys.argv[1])
answer = gpt.generate(
    "Ada, 36 years old, writes programs.", json_schema=schema, max_tokens=64, seed=1
)
print(json.loads(answer.text))
