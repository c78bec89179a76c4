"""API keys: kept as hashes, compared in constant time.

A file has one key a line, with the name it goes by in logs and limits; ``admin`` may also load and
unload models::

    # name    key, or its sha256                                  rights
    shop      sk-3f9c...
    ops       sha256:9b74c9897bac770ffc029102a200c5de...          admin

Keys are long and random (24 characters or more), so a plain SHA-256 cannot be guessed back.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from autogpt.core.errors import ConfigError
from autogpt.core.files import explain_os_errors

__all__ = ["Key", "Keys", "read_keys"]

_LEAST_CHARS = 24


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its name, the SHA-256 of it, and whether it may load and unload models."""

    name: str
    digest: bytes
    is_admin: bool = False


class Keys:
    """Some keys, or none.

    Args:
        keys: With different names.
    """

    def __init__(self, keys: Sequence[Key] = ()) -> None:
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, given: bytes) -> Key | None:
        """Return the key that was given. All are compared, so that time tells nothing."""
        digest = hashlib.sha256(given).digest()
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found


def read_keys(path: Path) -> Keys:
    """Return the keys of a file.

    Raises:
        ConfigError: If a line is wrong, or others may read the file.
        ResourceError: If it cannot be read.
    """
    with explain_os_errors(path):
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise ConfigError(f"There is no key file {str(path)!r}.") from error
        mode = path.stat().st_mode
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigError(
            f"The key file {str(path)!r} can be read by others.",
            hint=f"Make it yours alone: chmod 600 {path}",
        )
    keys: list[Key] = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.split("#")[0].split()
        if not words:
            continue
        where = f"line {number} of {str(path)!r}"
        if len(words) not in (2, 3) or words[2:] not in ([], ["admin"]):
            raise ConfigError(f"{where} is not a name, a key and perhaps 'admin'.")
        if any(key.name == words[0] for key in keys):
            raise ConfigError(f"{where} has the name {words[0]!r} once more.")
        keys.append(Key(words[0], _digest(words[1], where), is_admin=len(words) == 3))
    if not keys:
        raise ConfigError(f"The key file {str(path)!r} holds no key.")
    return Keys(keys)


def _digest(word: str, where: str) -> bytes:
    if word.startswith("sha256:"):
        if not re.fullmatch(r"[0-9a-fA-F]{64}", word[7:]):
            raise ConfigError(f"{where} has a sha256 that is not 64 hexadecimal digits.")
        return bytes.fromhex(word[7:])
    if len(word) < _LEAST_CHARS:
        raise ConfigError(
            f"{where} has a key of {len(word)} characters, expected {_LEAST_CHARS} or more.",
            hint="Make one with: openssl rand -hex 24",
        )
    return hashlib.sha256(word.encode()).digest()
