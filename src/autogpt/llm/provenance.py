"""A signed record of what a model wrote: made here, checked by ``autogpt verify``.

Not here: what a record is and how it is signed (``safety.records``).
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from autogpt.core.files import MANIFEST, sha256_file, write_json
from autogpt.core.messages import Completion
from autogpt.core.refs import resolve
from autogpt.inference.params import SamplingParams
from autogpt.safety.records import load_key, make_record, new_key, sign

__all__ = ["model_digest", "write_record"]


def model_digest(reference: str) -> str:
    """Return the sha256 that names a model's weights: of its manifest, or of its files of weights.

    A manifest holds the sha256 of every file, so its own stands for all of them.

    Args:
        reference: A MODEL.
    """
    path = resolve(reference)
    if path.is_file():
        return sha256_file(path)
    if (path / MANIFEST).is_file():
        return sha256_file(path / MANIFEST)
    weights = [*sorted(path.glob("*.safetensors")), *sorted(path.glob("*.gguf"))]
    return "+".join(sha256_file(each) for each in weights)


def write_record(
    path: Path,
    completion: Completion,
    *,
    model: str,
    prompt: str,
    params: SamplingParams,
    key: Path,
) -> None:
    """Write the signed record of a completion.

    Args:
        path: The file to write.
        completion: What was written.
        model: The MODEL.
        prompt: What it continued.
        params: How it chose.
        key: The file of the signing key; made if it is not there.

    Raises:
        MissingExtraError: If ``cryptography`` is not installed.
        CheckpointError: If the file holds no signing key.
        ResourceError: If a file cannot be written.
    """
    signer = load_key(key) if key.exists() else new_key(key)
    plain = SamplingParams()
    hidden = ("seed", "constraint", "watermark")
    settings = {
        field.name: value
        for field in fields(params)
        if (value := getattr(params, field.name)) != getattr(plain, field.name)
        and field.name not in hidden
    }
    for name in ("constraint", "watermark"):
        if getattr(params, name) is not None:
            settings[name] = "yes"  # what it is may be long, or secret
    record = make_record(
        completion.text,
        model=model,
        model_sha256=model_digest(model),
        prompt=prompt,
        settings=settings,
        seed=params.seed,
    )
    write_json(path, sign(record, signer))
