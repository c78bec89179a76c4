"""What a server is told when it starts: where it listens, who may ask, how much at once."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

from autogpt.core.errors import ConfigError
from autogpt.server.keys import Keys

__all__ = ["HEADER_BYTES", "LimitsConfig", "ServerConfig", "is_loopback"]

HEADER_BYTES = 32 << 10
"""Most bytes of a request's first line and headers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LimitsConfig:
    """How much is taken on.

    Attributes:
        running: Texts that are written at once; more wait.
        running_per_key: Of one key; None: three quarters of ``running`` where there are several
            keys, so that another key's request begins at once.
        waiting: Requests that may wait; more are refused.
        waiting_per_key: Of one key; None: half of ``waiting`` where there are several keys.
        requests_per_minute: Of one key; None for any number.
        body_bytes: Of a request.
        upload_bytes: Of a request with a sound.
        most_tokens: Of a text, whatever a request says.
        texts: ``n`` times prompts of a request.
        connections: That are open at once.
        header_s: Seconds for a request's headers to arrive.
        body_s: Seconds for its body; it holds a place in the queue meanwhile.
        upload_s: Seconds for a body with a sound.
        send_s: Seconds for a client to take what it is sent, before it is dropped.
    """

    running: int = 16
    running_per_key: int | None = None
    waiting: int = 64
    waiting_per_key: int | None = None
    requests_per_minute: int | None = None
    body_bytes: int = 2 << 20
    upload_bytes: int = 25 << 20
    most_tokens: int = 4096
    texts: int = 16
    connections: int = 2048
    header_s: float = 10.0
    body_s: float = 10.0
    upload_s: float = 60.0
    send_s: float = 30.0

    def __post_init__(self) -> None:
        for name in ("running", "waiting", "body_bytes", "most_tokens", "texts", "connections"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected 1 or more.")
        if self.running_per_key is not None and self.running_per_key < 1:
            raise ConfigError(f"running_per_key is {self.running_per_key}, expected 1 or more.")
        for name in ("header_s", "body_s", "upload_s", "send_s"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} is {getattr(self, name)}, expected a number above 0.")
        if self.texts > self.running:
            raise ConfigError(
                f"texts is {self.texts}, but only {self.running} are written at once.",
                hint="Allow no more texts of a request than texts at once.",
            )


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerConfig:
    """See the module.

    Attributes:
        host: Address to listen at.
        port: 0 takes a free one.
        keys: Who may ask; none: everyone who reaches a loopback address.
        hosts: Further names that a request's Host header may have.
        origins: Web pages of other origins that may ask, as in "https://example.org".
        limits: How much is taken on.
        grace_s: Seconds that running requests have after SIGTERM.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    keys: Keys = field(default_factory=Keys)
    hosts: Sequence[str] = ()
    origins: Sequence[str] = ()
    limits: LimitsConfig = field(default_factory=LimitsConfig)
    grace_s: float = 30.0

    def __post_init__(self) -> None:
        if not 0 <= self.port < 1 << 16:
            raise ConfigError(f"port is {self.port}, expected 0 to 65535.")
        if "*" in self.origins or "null" in self.origins:
            raise ConfigError(
                "An origin is '*' or 'null', which would let every web page in.",
                hint="List the origins, as in https://example.org.",
            )
        if not self.keys and not is_loopback(self.host):
            raise ConfigError(
                f"{self.host!r} can be reached from other machines, and there is no API key.",
                hint="Give --api-key-file, or listen at 127.0.0.1.",
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
