"""TensorBoard event files, written at once and in order.

tensorboardX writes from a thread, behind a queue of ten: when the disk is full the thread dies with
a traceback, and whoever logs the eleventh value waits forever. Only its messages and its checksum
are used here.

Source: TFRecord and ``event.proto`` (TensorFlow 2015): length, checksum of it, an ``Event``,
checksum of that; checksums are CRC-32C, masked.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autogpt.core.files import explain_os_errors

__all__ = ["EventFile"]

_VERSION = "brain.Event:2"


class EventFile:
    """Appends scalars to a new event file in ``folder``.

    Args:
        folder: Made if missing.
        purge_step: The first step that TensorBoard is to forget from earlier files; None for none.

    Raises:
        ResourceError: If the disk is full or the folder cannot be written.
    """

    def __init__(self, folder: Path, *, purge_step: int | None = None) -> None:
        from tensorboardX.proto.event_pb2 import Event, SessionLog

        name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
        self._path = folder / name
        with explain_os_errors(self._path):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("wb")
        self._write(Event(wall_time=time.time(), file_version=_VERSION))
        if purge_step is not None:
            start = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=time.time(), step=purge_step, session_log=start))

    def add(self, scalars: Mapping[str, float], step: int) -> None:
        """Append values, by tag, that belong to a step.

        Raises:
            ResourceError: If the disk is full.
        """
        from tensorboardX.proto.event_pb2 import Event
        from tensorboardX.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in scalars.items()]
        self._write(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    def close(self) -> None:
        """Release the file."""
        with explain_os_errors(self._path):
            self._file.close()

    def _write(self, event: Any) -> None:  # noqa: ANN401 - made by protobuf, without types
        from tensorboardX.record_writer import masked_crc32c

        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        checks = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
        with explain_os_errors(self._path):
            self._file.write(length + checks[0] + data + checks[1])
            self._file.flush()
