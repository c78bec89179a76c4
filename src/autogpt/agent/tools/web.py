"""Fetching a page, for those who turn it on: public addresses only.

A name is resolved once, every address it has must be public, and the connection goes to the address
that was checked (so that a name that answers differently the second time gains nothing). Each
redirect is checked anew. An address carries what is in it to a stranger, so fetching has an effect
and needs the user's yes like any other; allowed by name, it only goes to addresses in the goal.

Source: OWASP, Server-Side Request Forgery Prevention Cheat Sheet (2024).
"""

from __future__ import annotations

import html
import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urljoin, urlsplit

from autogpt.agent.tools.base import Tool, ToolError, as_tool, tool

__all__ = ["check_address", "web_tools"]

_MOST_BYTES = 2 << 20
_MOST_REDIRECTS = 5
_TIMEOUT_S = 20.0
_PORTS = (80, 443)

Resolve = Callable[[str, int], Sequence[str]]


def resolve(host: str, port: int) -> list[str]:
    """Return the addresses of a name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return sorted({str(one[4][0]) for one in found})


def web_tools(*, resolver: Resolve = resolve) -> list[Tool]:
    """Return the tool."""

    @tool(effect="effect", aims=("url",))
    def fetch_page(url: str) -> dict[str, Any]:
        """Fetch a public web page and return its text.

        Args:
            url: As in https://example.org/page
        """
        return _fetch(url, resolver)

    return [as_tool(fetch_page)]


def check_address(url: str, resolver: Resolve = resolve) -> tuple[str, int, str]:
    """Return host, port and the address to connect to.

    Raises:
        ToolError: If it is no address of the public web.
    """
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise ToolError(f"{url!r:.100} is not an address.") from error
    host = parts.hostname
    if parts.scheme not in ("http", "https") or not host:
        raise ToolError(f"{url!r:.100} is not an address of the web.")
    if parts.username or parts.password or port not in _PORTS:
        raise ToolError(f"{url!r:.100} has a user name or an unusual port, which is not allowed.")
    try:
        addresses = resolver(host, port)
    except OSError as error:
        raise ToolError(f"There is no host {host!r}.") from error
    for address in addresses:
        if not _is_public(address):
            raise ToolError(f"{host!r} is at {address}, which is not public.")
    if not addresses:
        raise ToolError(f"There is no host {host!r}.")
    return host, port, addresses[0]


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    inner = getattr(ip, "ipv4_mapped", None) or getattr(ip, "sixtofour", None)
    if inner is not None:
        ip = inner
    if isinstance(ip, ipaddress.IPv6Address) and ip in ipaddress.ip_network("64:ff9b::/96"):
        ip = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def _fetch(url: str, resolver: Resolve) -> dict[str, Any]:
    import httpx2

    for _ in range(_MOST_REDIRECTS + 1):
        host, port, address = check_address(url, resolver)
        parts = urlsplit(url)
        shown = f"[{address}]" if ":" in address else address
        pinned = parts._replace(netloc=f"{shown}:{port}", fragment="").geturl()
        try:
            with (
                httpx2.Client(
                    timeout=_TIMEOUT_S, follow_redirects=False, trust_env=False
                ) as client,
                client.stream(
                    "GET",
                    pinned,
                    headers={"Host": host, "User-Agent": "autogpt"},
                    extensions={"sni_hostname": host},
                ) as answer,
            ):
                if answer.is_redirect:
                    url = urljoin(url, answer.headers.get("location", ""))
                    continue
                content = b""
                for piece in answer.iter_bytes():
                    content += piece
                    if len(content) > _MOST_BYTES:
                        raise ToolError(f"{url!r:.100} is larger than {_MOST_BYTES >> 20} MiB.")
                kind = answer.headers.get("content-type", "")
                status = answer.status_code
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
            raise ToolError(f"{url!r:.100} cannot be fetched: {error}.") from error
        if not kind.startswith(("text/", "application/json", "application/xml")):
            raise ToolError(f"{url!r:.100} is {kind or 'of no known kind'}, not text.")
        text = content.decode("utf-8", "replace")
        return {"url": url, "status": status, "text": _plain(text) if "html" in kind else text}
    raise ToolError(f"{url!r:.100} redirects more than {_MOST_REDIRECTS} times.")


def _plain(page: str) -> str:
    """Return the text of a page without its tags, scripts and styles."""
    page = re.sub(r"(?is)<(script|style|noscript)\b.*?</\1>|<!--.*?-->", " ", page)
    page = re.sub(r"(?i)<(?:br|/p|/div|/li|/h\d|/tr)\b[^>]*>", "\n", page)
    text = html.unescape(re.sub(r"<[^>]+>", " ", page))
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)
