"""A picture's file to pixels: PNG, JPEG, WebP and what else pillow reads, upright and safe.

Turned as its EXIF says, transparent places on white, 16 bits a channel scaled to 8, gray kept gray,
the first frame of an animation. A file that is no picture, cut off, or larger than pillow's limit
(89 million pixels, against decompression bombs) is refused in one sentence. Not here: the size a
model wants (``preprocessing``).
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from autogpt.core.errors import DataError, MissingExtraError
from autogpt.data.preprocessing import Pixels

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

__all__ = ["PICTURES", "decode_picture", "read_picture"]

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "MPO")


def read_picture(path: Path | str) -> Pixels:
    """Return the pixels of a file, [1, Y, X] if it is gray, else [3, Y, X].

    Raises:
        DataError: If it is missing or may not be read; or as :func:`decode_picture`.
        MissingExtraError: If pillow is not installed.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from error
    return decode_picture(content, name=str(path))


def decode_picture(content: bytes, *, name: str) -> Pixels:
    """Return the pixels of a file's content, [1, Y, X] if it is gray, else [3, Y, X].

    Args:
        content: Of the file.
        name: What it is called, for messages.

    Raises:
        DataError: If it is empty, no picture, cut off, damaged, or too large.
        MissingExtraError: If pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError as error:
        raise MissingExtraError("pillow", extra="media", purpose="Reading pictures") from error
    if not content:
        raise DataError(f"{name!r} is empty, a picture was expected.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, which says nothing of the pixels
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=_FORMATS) as image:
                image.load()
                return _pixels(ImageOps.exif_transpose(image))
    except UnidentifiedImageError as error:
        raise DataError(
            f"{name!r} is not a picture.", hint="Pictures are PNG, JPEG, WebP, BMP, GIF or TIFF."
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(
            f"{name!r} has more pixels than the {_limit(Image)} million that are read.",
            hint="Make it smaller first.",
        ) from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError) as error:
        reason = " ".join(str(error).split())[:120].removesuffix(".") or type(error).__name__
        raise DataError(f"{name!r} is a damaged or cut off picture: {reason}.") from error


def _limit(library: Any) -> int:  # noqa: ANN401 - a module that may be missing
    return int((library.MAX_IMAGE_PIXELS or 0) / 1e6)


def _pixels(image: Picture) -> Pixels:
    """Return 8 bits a channel, gray or color, what is transparent on white."""
    from PIL import Image

    if image.mode in ("I;16", "I;16B", "I;16L", "I;16N", "I", "F"):
        return _wide(np.asarray(image))
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, (255, 255, 255, 255))
        colors = np.asarray(Image.alpha_composite(paper, image))[..., :3]
        is_gray = bool((colors == colors[..., :1]).all())
        return np.ascontiguousarray(np.moveaxis(colors[..., :1] if is_gray else colors, -1, 0))
    if image.mode in ("1", "L"):
        return np.array(image.convert("L"), dtype=np.uint8)[None]
    return np.ascontiguousarray(np.moveaxis(np.asarray(image.convert("RGB")), -1, 0))


def _wide(values: np.ndarray[Any, Any]) -> Pixels:
    """Return 16 bits as 8; of other numbers, the range that they have."""
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise ValueError("it holds NaN or infinity")
    low, high = (0.0, 65535.0) if numbers.min() >= 0 else (numbers.min(), numbers.max())
    if numbers.min() >= 0 and numbers.max() > 65535.0:
        high = numbers.max()
    scaled = (numbers - low) / max(high - low, 1e-9) * 255.0
    return scaled.round().clip(0, 255).astype(np.uint8)[None]
