"""The one decoder, one file per family, checkpoints.

``FAMILIES`` maps Hugging Face's ``model_type`` to the module that holds a family's table, see
``autogpt.models.family``. A new family is a module and a line here.
"""

from __future__ import annotations

__all__ = ["FAMILIES"]

FAMILIES: dict[str, str] = {
    "gemma3_text": "autogpt.models.gemma3_text",
    "gpt2": "autogpt.models.gpt2",
    "llama": "autogpt.models.llama",
    "mistral": "autogpt.models.mistral",
    "qwen2": "autogpt.models.qwen2",
    "qwen3": "autogpt.models.qwen3",
}
