"""The one way in which an image file is opened, whatever data set it belongs to."""

import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from lightning_bam.config import ConfigError

FORMATS: Final = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM")
"""Formats that are opened, whatever a file is called; Pillow hands others, like EPS, to programs of their own."""
MOST_PIXELS: Final = 178_956_970
"""Pixels of the largest image, a camera's 150 megapixels among them; Pillow gives up there, too."""
MOST_BYTES: Final = 2**30
"""Bytes of the largest file; some formats are read into memory whole before their size is known."""
LARGE: Final = 2**24
"""Pixels above which images are decoded one at a time in each process; so many take 64 MiB, and as much once more."""
TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What sets an image upright, by its EXIF orientation; from 5 on width and height change places."""

_alone = threading.Lock()


def read_image(path: Path | str) -> Image.Image:
    """Return the image in a file, upright (by EXIF's orientation) and in 8-bit RGB.

    Of samples of 16 bits the high byte is kept: 257 v and 256 v both become v. Transparency is dropped. ConfigError, in
    one line, for a file that is no image of `FORMATS`, damaged, too large, of several pages or frames, or whose pixels
    have no known range (32-bit integers and floating point numbers).
    """
    with _opened(path) as image, _alone if image.width * image.height > LARGE else nullcontext():
        image.load()
        turn = TURNS.get(_orientation(image))
        pixels = _eight_bits(image)
        return pixels if turn is None else pixels.transpose(turn)


def image_size(path: Path | str) -> tuple[int, int]:
    """Return width and height of the image in a file once it is upright, by its header; raises as `read_image`."""
    with _opened(path) as image:
        return (image.height, image.width) if _orientation(image) in (5, 6, 7, 8) else image.size


@contextmanager
def _opened(path: Path | str) -> Iterator[Image.Image]:
    """Open an image, and give whatever goes wrong with it one line: a hostile file raises what it likes in Pillow."""
    try:
        status = Path(path).stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe would be waited for, a device read without end
            raise ValueError("it is no regular file")
        if status.st_size > MOST_BYTES:
            raise ValueError(f"it has {status.st_size} bytes, more than {MOST_BYTES}")
        with Image.open(path, formats=FORMATS) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"it has {image.width} x {image.height} pixels, more than {MOST_PIXELS} in all")
            if getattr(image, "is_animated", False) and image.format != "MPO":  # a camera's JPEG with previews
                raise ValueError("it holds several pages or frames; save the one that is meant as a file of its own")
            yield image
    except UnidentifiedImageError:
        raise ConfigError(f"cannot read the image {path}: it is no {', '.join(FORMATS[:-1])}, PPM or PGM") from None
    except Exception as error:
        reason = str(error).splitlines() or [type(error).__name__]
        raise ConfigError(f"cannot read the image {path}: {reason[0]}") from error


def _orientation(image: Image.Image) -> Any:
    """Return EXIF's orientation; None where unreadable or Pillow applies it. The format's own may decode the image."""
    if image.format == "TIFF":
        return None
    try:
        return Image.Image.getexif(image).get(ExifTags.Base.Orientation)
    except Exception:
        return None


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return a decoded image in RGB, its samples scaled by their range; ValueError where that is not known."""
    tags = getattr(image, "tag_v2", {})
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):  # Pillow scales PGM to 65535
        samples = np.asarray(image) >> (tags.get(ExifTags.Base.BitsPerSample, (16,))[0] - 8)
        white_is_zero = tags.get(ExifTags.Base.PhotometricInterpretation) == 0
        return Image.fromarray((255 - samples if white_is_zero else samples).astype(np.uint8)).convert("RGB")
    if image.mode in {"I", "F"}:
        kind = "32-bit or signed integers" if image.mode == "I" else "floating point numbers"
        raise ValueError(f"its pixels are {kind}, whose range is not known; save it with 8 or 16 bits a channel")
    image.info.pop("transparency", None)  # a palette's would only be warned of
    return image.convert("RGB")
