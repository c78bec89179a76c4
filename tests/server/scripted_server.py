"""A server whose engine is scripted: the real front, and what it costs, without a model.

``python tests/server/scripted_server.py SCRIPT [LIMITS]``, both JSON; prints its address.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from autogpt.server.app import create_app
from autogpt.server.config import LimitsConfig, ServerConfig
from autogpt.server.engine_client import EngineClient, ModelSpec
from autogpt.server.running import serve

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def scripted_server(
    limits: Mapping[str, int] | None = None, **script: object
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run one until the block ends; yield its process and address."""
    command = [sys.executable, "-m", __name__, json.dumps(script), json.dumps(limits or {})]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate()


def main() -> None:
    """Serve."""
    from tests.server.scripted_engine import command

    config = ServerConfig(port=0, limits=LimitsConfig(**json.loads(sys.argv[2])))
    spec = ModelSpec(name="tiny", reference="scripted")
    engine = EngineClient([spec], command=command(**json.loads(sys.argv[1])))
    serve(create_app(config, engine), engine, config, started=partial(print, flush=True))


if __name__ == "__main__":
    main()
