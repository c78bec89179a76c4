"""A server whose engine is scripted: the real front, and what it costs, without a model.

``python -m tests.server.scripted_server SCRIPT LIMITS KEYS GRACE_S``, all JSON; prints its address,
and logs on standard error.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from autogpt.server.app import create_app
from autogpt.server.config import LimitsConfig, ServerConfig
from autogpt.server.engine_client import EngineClient, ModelSpec
from autogpt.server.keys import Key, Keys
from autogpt.server.running import serve

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def scripted_server(
    limits: Mapping[str, int] | None = None,
    *,
    keys: Mapping[str, str] | None = None,
    grace_s: float = 30.0,
    log: Path | None = None,
    **script: object,
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run one until the block ends; yield its process and address.

    Args:
        limits: As in ``LimitsConfig``.
        keys: Name and key.
        grace_s: As in ``ServerConfig``.
        log: Gets its log.
        script: Of the engine.
    """
    given = map(json.dumps, (script, limits or {}, keys or {}, grace_s))
    command = [sys.executable, "-m", __name__, *given]
    with contextlib.ExitStack() as stack:
        errors = subprocess.DEVNULL if log is None else stack.enter_context(log.open("w"))
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, cwd=ROOT
        )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()


def main() -> None:
    """Serve."""
    from tests.server.scripted_engine import command

    script, limits, keys, grace_s = map(json.loads, sys.argv[1:])
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    known = [Key(name, hashlib.sha256(key.encode()).digest()) for name, key in keys.items()]
    config = ServerConfig(port=0, limits=LimitsConfig(**limits), keys=Keys(known), grace_s=grace_s)
    spec = ModelSpec(name="tiny", reference="scripted")
    engine = EngineClient([spec], command=command(**script))
    sys.exit(serve(create_app(config, engine), engine, config, started=partial(print, flush=True)))


if __name__ == "__main__":
    main()
