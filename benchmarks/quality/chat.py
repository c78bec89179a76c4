"""Twenty fixed prompts, ten English and ten Chinese, as a user would put them to ``autogpt chat``.

Prints one JSON object: the answers, how many loop, how many have broken characters, and the speed.
What they are worth has to be read; what was found is in ``docs/log.md``.

    python benchmarks/quality/chat.py --model smollm2-135m-instruct > chat.json
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import unicodedata

PROMPTS = (
    "Hello! Who are you?",
    "Why is the sky blue? Answer in two sentences.",
    "Write a short e-mail that asks a landlord to repair the heating.",
    "What is 17 + 25?",
    "List three things to check when a boiler does not start.",
    "Rewrite more politely: Send me the report now.",
    "What is the capital of France, and what is it known for?",
    "Write a Python function that returns the larger of two numbers.",
    "Summarize in one sentence: The boiler broke on Monday. A plumber replaced the valve on "
    "Thursday. Since then it works.",
    "My friend is sad because her dog died. What can I say to her?",
    "你好！你是谁？",
    "天空为什么是蓝色的？请用两句话回答。",
    "请写一封短信，请房东修理暖气。",
    "17加25等于多少？",
    "锅炉不启动时，应该检查哪三件事？",
    "请把这句话说得更礼貌：马上把报告发给我。",
    "法国的首都是哪里？它以什么闻名？",
    "请用Python写一个函数，返回两个数中较大的一个。",
    "用一句话概括：周一锅炉坏了。周四水管工换了阀门。从那以后它就正常了。",
    "我的朋友因为狗死了很难过。我可以对她说什么？",
)
_REPEATED = re.compile(r"(.{1,60}?)\1{3,}", re.S)


def loops(text: str) -> bool:
    """Whether a phrase of some letters stands there four times in a row, or a line thrice."""
    phrase = any(len(set(match[1].strip())) > 1 for match in _REPEATED.finditer(text))
    lines = [line.strip() for line in text.splitlines() if len(line.strip()) > 12]
    return phrase or any(lines.count(line) >= 3 for line in set(lines))


def broken(text: str) -> bool:
    """Whether there are characters that no encoding or no reader knows."""
    kinds = {unicodedata.category(letter) for letter in text if letter not in "\n\t\r"}
    return "\ufffd" in text or bool(kinds & {"Cc", "Cs", "Co", "Cn"})


def main() -> None:
    """Ask, count, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--max-tokens", type=int, default=160)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quantize", choices=["int8", "int4"], default=None)
    args = parser.parse_args()
    import autogpt

    gpt = autogpt.load(args.model, quantize=args.quantize)
    answers = []
    begin = time.perf_counter()
    for number, prompt in enumerate(PROMPTS, 1):
        chat = gpt.chat(max_tokens=args.max_tokens, seed=args.seed)
        last = None
        for chunk in chat.stream(prompt):
            last = chunk
        text = chat.messages[-1].content if len(chat.messages) > 1 else ""
        answers.append(
            {
                "prompt": prompt,
                "answer": text,
                "finish_reason": last.finish_reason if last else None,
                "loops": loops(text),
                "broken": broken(text),
                "empty": not text,
            }
        )
        print(f"{number} of {len(PROMPTS)}", file=sys.stderr)
    wall_s = time.perf_counter() - begin
    found = {
        "model": args.model,
        "settings": {**gpt.chat_settings, "max_tokens": args.max_tokens, "seed": args.seed},
        "loops": sum(row["loops"] for row in answers),
        "broken": sum(row["broken"] for row in answers),
        "empty": sum(row["empty"] for row in answers),
        "cut": sum(row["finish_reason"] == "length" for row in answers),
        "wall_s": round(wall_s, 1),
        "answers": answers,
    }
    print(json.dumps(found, ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
