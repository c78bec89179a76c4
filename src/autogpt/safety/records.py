"""A signed record of one answer: which model wrote it, from what, when, with which settings.

::

    key = new_key(Path("signing.key"))
    record = make_record(text, model_sha256=..., prompt=..., settings={"temperature": 0}, seed=1)
    signed = sign(record, key)                    # a mapping to be written as JSON
    verify_record(signed, text=text)              # the record; an error if anything was changed

Ed25519 over the record's JSON with sorted keys and no blanks. A record holds hashes, never texts. A
signature says that whoever has the key made the record; to know whose key that is, compare the
public key with one that was published.

Sources: RFC 8032 (Ed25519), RFC 8785 (the form of JSON that is signed; values here are strings,
whole numbers, true, false and strings of numbers, where its rules agree with ours). Needs the extra
``provenance``.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autogpt.core.errors import CheckpointError, MissingExtraError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

__all__ = ["is_record", "load_key", "make_record", "new_key", "sign", "verify_record"]

_KIND = "autogpt-record-1"


def make_record(
    text: str,
    *,
    model: str,
    model_sha256: str,
    prompt: str,
    settings: Mapping[str, object],
    seed: int | None = None,
    adapters_sha256: tuple[str, ...] = (),
) -> dict[str, object]:
    """Return what is known of an answer, ready to be signed.

    Args:
        text: The answer; its sha256 is kept.
        model: What the model is called.
        model_sha256: Of its weights, or of the manifest that names them.
        prompt: What it answered; its sha256 is kept.
        settings: How it chose.
        seed: Of its random numbers.
        adapters_sha256: Of the adapters that were added.
    """
    now = datetime.datetime.now(datetime.UTC)
    return {
        "kind": _KIND,
        "time": now.isoformat(timespec="seconds"),
        "model": model,
        "model_sha256": model_sha256,
        "adapters_sha256": list(adapters_sha256),
        "settings": {name: str(value) for name, value in sorted(settings.items())},
        "seed": "" if seed is None else str(seed),
        "prompt_sha256": _sha256(prompt),
        "text_sha256": _sha256(text),
    }


def new_key(path: Path) -> Ed25519PrivateKey:
    """Make a signing key and keep it in a file that only its owner may read.

    Raises:
        MissingExtraError: If ``cryptography`` is not installed.
        FileExistsError: If the file is there: a key is not overwritten.
    """
    ed25519, serialization = _library()
    key: Ed25519PrivateKey = ed25519.Ed25519PrivateKey.generate()
    data = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    return key


def load_key(path: Path) -> Ed25519PrivateKey:
    """Return the signing key of a file.

    Raises:
        CheckpointError: If it holds none.
        MissingExtraError: If ``cryptography`` is not installed.
    """
    ed25519, serialization = _library()
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{str(path)!r} holds no signing key.") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise CheckpointError(f"The key in {str(path)!r} is not an Ed25519 key.")
    return key


def sign(record: Mapping[str, object], key: Ed25519PrivateKey) -> dict[str, object]:
    """Return the record with its signature and the public key that checks it."""
    return {
        "record": dict(record),
        "public_key": base64.b64encode(key.public_key().public_bytes_raw()).decode(),
        "signature": base64.b64encode(key.sign(_canonical(record))).decode(),
    }


def is_record(value: object) -> bool:
    """Whether a JSON value looks like a signed record."""
    return isinstance(value, Mapping) and {"record", "public_key", "signature"} <= {*value}


def verify_record(
    signed: Mapping[str, Any],
    *,
    text: str | None = None,
    prompt: str | None = None,
    public_key: str | None = None,
) -> dict[str, object]:
    """Return the record, if it is as it was signed.

    Args:
        signed: As from :func:`sign`, for example read from JSON.
        text: The answer that it must be of, if given.
        prompt: The prompt that it must be of, if given.
        public_key: The only key that counts, in base64, if given.

    Raises:
        CheckpointError: If it was changed, is of another text, or by another key.
        MissingExtraError: If ``cryptography`` is not installed.
    """
    ed25519, _ = _library()
    from cryptography.exceptions import InvalidSignature

    if not is_record(signed) or not isinstance(signed["record"], Mapping):
        raise CheckpointError("This is no signed record: record, public_key or signature is missing.")
    record = dict(signed["record"])
    if public_key is not None and signed["public_key"] != public_key:
        raise CheckpointError("The record is signed with another key than the one expected.")
    try:
        key = ed25519.Ed25519PublicKey.from_public_bytes(
            base64.b64decode(signed["public_key"], validate=True)
        )
        key.verify(base64.b64decode(signed["signature"], validate=True), _canonical(record))
    except (InvalidSignature, ValueError, TypeError) as error:
        raise CheckpointError(
            "The record was changed after it was signed, or its signature is not valid."
        ) from error
    if record.get("kind") != _KIND:
        raise CheckpointError(f"The record is of the kind {record.get('kind')!r}, not {_KIND!r}.")
    for name, own in (("text", text), ("prompt", prompt)):
        if own is not None and record.get(f"{name}_sha256") != _sha256(own):
            raise CheckpointError(f"The record is of another {name}.")
    return record


def _canonical(record: Mapping[str, object]) -> bytes:
    text = json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return text.encode("utf-8", "surrogatepass")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _library() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ed25519
    except ImportError as error:
        raise MissingExtraError(
            "cryptography", extra="provenance", purpose="Signing and checking records"
        ) from error
    return ed25519, serialization
