"""Pictures and their labels in an ``.npz`` file, as numpy and scikit-learn users keep them.

The array of pictures is [N, Y, X], [N, Y, X, C] or [N, C, Y, X], of bytes, or of numbers from 0 to
whatever their largest is; the labels are N numbers or texts. Pickled objects are not read.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from autogpt.core.errors import DataError
from autogpt.data.preprocessing import Pixels

__all__ = ["array_rows", "picture_of_row"]

_PICTURES = ("x", "images", "image", "data", "pictures", "x_train", "train_images")
_LABELS = ("y", "labels", "label", "target", "targets", "y_train", "train_labels")


def array_rows(path: Path) -> tuple[npt.NDArray[np.uint8], list[str]]:
    """Return pictures as bytes, [N, ...], and the label of each.

    Raises:
        DataError: If the file is no archive of arrays, or holds no pictures with labels.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = list(archive.files)
            picked = [_pick(names, kind) for kind in (_PICTURES, _LABELS)]
            if None in picked:
                raise _unsuited(path, f"its arrays are {', '.join(names) or 'none'}")
            pictures, labels = (archive[name] for name in picked)
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
        reason = " ".join(str(error).split())[:120].removesuffix(".")
        raise DataError(f"{str(path)!r} cannot be read as arrays: {reason}.") from error
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if pictures.ndim not in (3, 4) or labels.ndim != 1 or len(pictures) != len(labels):
        raise _unsuited(path, f"the shapes are {pictures.shape} and {labels.shape}")
    return _as_bytes(pictures, path), [_as_text(label) for label in labels.tolist()]


def picture_of_row(row: npt.NDArray[np.uint8]) -> Pixels:
    """Return one picture as [C, Y, X]."""
    if row.ndim == 2:
        return row[None]
    if row.shape[0] not in (1, 3) or row.shape[-1] in (1, 3, 4):
        row = np.moveaxis(row, -1, 0)
    return np.ascontiguousarray(row[:3] if len(row) > 1 else row)


def _pick(names: list[str], usual: tuple[str, ...]) -> str | None:
    folded = {name.lower(): name for name in names}
    return next((folded[name] for name in usual if name in folded), None)


def _as_bytes(pictures: npt.NDArray[Any], path: Path) -> npt.NDArray[np.uint8]:
    if pictures.dtype == np.uint8:
        return pictures
    if pictures.dtype.kind not in "biuf" or not np.isfinite(pictures).all():
        raise _unsuited(path, f"the pictures are of {pictures.dtype}, or not all finite")
    low, high = float(pictures.min()), float(pictures.max())
    low = min(low, 0.0)
    scaled = (pictures.astype(np.float32) - low) * (255.0 / max(high - low, 1e-9))
    return scaled.round().astype(np.uint8)


def _as_text(label: object) -> str:
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def _unsuited(path: Path, found: str) -> DataError:
    return DataError(
        f"{str(path)!r} holds no pictures with labels: {found}.",
        hint="Expected are x [N, height, width] or [N, height, width, channels], and y [N].",
    )
