"""llama.cpp's server of the wheel ``xllamacpp``: ``python llamacpp_server.py MODEL.gguf PORT``."""

from __future__ import annotations

import signal
import sys

import xllamacpp


def main() -> None:
    """Serve until a signal."""
    params = xllamacpp.CommonParams()
    params.model.path = sys.argv[1]
    params.hostnames, params.port = ["127.0.0.1"], int(sys.argv[2])
    params.n_ctx, params.n_parallel, params.kv_unified = 8192, 8, True
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 2
    params.verbosity = 0
    server = xllamacpp.Server(params)
    print(server.listening_address, file=sys.stderr)
    signal.pause()


if __name__ == "__main__":
    main()
