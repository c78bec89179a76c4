"""The head of a request, from which alone it may be refused.

:func:`read_head` is no parser of HTTP: whatever is not plain (a name twice, a body in chunks or
still to come, a line that goes on in the next) is None to it, and read by h11 instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from autogpt.core.i18n import Language, accepted

__all__ = ["Head", "read_head"]

_HEAD = re.compile(
    rb"([A-Z]+) (/[!-~]*) HTTP/1\.1((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]++:[\t -~\x80-\xff]*+)++)"
)


@dataclass(frozen=True, slots=True)
class Head:
    """What is asked, and how.

    Attributes:
        method: As in "POST".
        path: Without the query.
        headers: Names in lower case.
    """

    method: str
    path: str
    headers: Mapping[bytes, bytes]

    @property
    def language(self) -> Language:
        """What errors are told in."""
        given = self.headers.get(b"accept-language")
        return "en" if given is None else accepted(given.decode("latin-1"))


def read_head(data: bytes) -> Head | None:
    """Return the head of a request, if these bytes are one, all of it and nothing else."""
    head, _, body = data.partition(b"\r\n\r\n")
    found = _HEAD.fullmatch(head)
    if found is None:
        return None
    lines = [line.partition(b":") for line in found[3].split(b"\r\n")[1:]]
    headers = {name.lower(): value.strip(b" \t") for name, _, value in lines}
    is_whole = headers.get(b"content-length") == b"%d" % len(body)
    if len(headers) < len(lines) or not is_whole or b"transfer-encoding" in headers:
        return None
    return Head(found[1].decode(), found[2].partition(b"?")[0].decode(), headers)
