"""Stream 1,000 planted secrets and personal data cut at every place; count what leaks.

    python benchmarks/leaks.py            # prints JSON; the goal is 0 characters

Each span, of 36 formats and kinds, stands in a short text in English or Chinese. The text goes
through the output rail in two pieces, cut at each of its places, and in single characters. A leak
is four or more characters in a row of the span in what is shown.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.safety.test_streaming import MASKING, leaked, shown, spans

from autogpt.safety.rails import Rails


def main() -> None:
    """Stream and count."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spans", type=int, default=1000)
    args = parser.parse_args()
    rails, begin = Rails(MASKING), time.perf_counter()
    streams = leaks = different = 0
    for before, value, after in spans(args.spans):
        text = before + value + after
        whole = shown(rails, [text])
        cuts = [[text[:cut], text[cut:]] for cut in range(len(text) + 1)]
        for pieces in [[text], list(text), *cuts]:
            found = shown(rails, pieces)
            streams += 1
            different += found != whole
            leaks += leaked(found, value, before + after) if found != whole else 0
        leaks += leaked(whole, value, before + after)
    print(
        json.dumps(
            {
                "spans": args.spans,
                "streams": streams,
                "leaked_characters": leaks,
                "streams_that_differ_from_the_whole": different,
                "seconds": round(time.perf_counter() - begin, 1),
            }
        )
    )


if __name__ == "__main__":
    main()
