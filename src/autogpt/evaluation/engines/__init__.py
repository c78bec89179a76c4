"""The same model in every engine that is installed: tokens, and what each expects next.

``engine`` is what an engine has to answer, a module beside it is one engine (``ENGINES`` names
them), ``comparison`` sets the answers side by side. Not here: whether the files themselves are
sound (``evaluation.integrity``), writing them (``interop``).
"""

from __future__ import annotations

__all__ = ["ENGINES"]

ENGINES: dict[str, str] = {
    "autogpt": "autogpt.evaluation.engines.ours",
    "transformers": "autogpt.evaluation.engines.transformers",
    "llama.cpp": "autogpt.evaluation.engines.llamacpp",
    "onnxruntime": "autogpt.evaluation.engines.onnxruntime",
    "keras_hub": "autogpt.evaluation.engines.kerashub",
}
"""Name to the module that opens it; a new engine is a module and a line here."""
