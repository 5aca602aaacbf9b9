"""How an image file of any size becomes `(3, H, W)` pixels: a random crop of it, its centre, or all of it that fits."""

import math
from dataclasses import dataclass
from typing import ClassVar, Final

from PIL import Image, ImageOps

from lightning_bam.data.draws import Words
from lightning_bam.data.order import TRIES

AREA: Final = (0.08, 1.0)
"""Least and greatest share of the image's area that a random crop takes."""
RATIO: Final = (3 / 4, 4 / 3)
"""Least and greatest ratio of a crop's width to its height."""

Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class Fitted:
    """The centre of the image scaled so that it just covers `(height, width)`; batches are padded and cropped later."""

    height: int
    width: int
    padded: ClassVar[bool] = True

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        return (self.height, self.width)

    def train(self, image: Image.Image, words: Words | None) -> Image.Image:  # noqa: ARG002
        """Return the same as is scored; crop and flip come later, on the device."""
        return self.scored(image)

    def scored(self, image: Image.Image) -> Image.Image:
        """Return the centre of the fitted image."""
        return ImageOps.fit(image, (self.width, self.height), Image.Resampling.BILINEAR)


@dataclass(frozen=True)
class Cropped:
    """ImageNet's usual views: random crops to train on, the centre of the scaled image to score, as torchvision's."""

    side: int
    padded: ClassVar[bool] = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width, in pixels."""
        return (self.side, self.side)

    def train(self, image: Image.Image, words: Words | None) -> Image.Image:
        """Return the crop that `words` choose, scaled to the side."""
        assert words is not None
        box = random_box(*image.size, words)
        return image.crop(box).resize((self.side, self.side), Image.Resampling.BILINEAR)

    def scored(self, image: Image.Image) -> Image.Image:
        """Return the centre of the image whose shorter side has been scaled to side x 256 / 224, rounded."""
        width, height = image.size
        short, least = min(width, height), round(self.side * 256 / 224)
        width, height = least * width // short, least * height // short
        left, top = round((width - self.side) / 2), round((height - self.side) / 2)
        scaled = image.resize((width, height), Image.Resampling.BILINEAR)
        return scaled.crop((left, top, left + self.side, top + self.side))


def random_box(width: int, height: int, words: Words) -> Box:
    """Return the crop that torchvision's `RandomResizedCrop.get_params` would take, given its random numbers.

    `words` `(2 TRIES + 2,)` are areas and ratios, uniform in the logarithm, until one fits, row and column; else the
    largest centred crop within the ratios is taken. A box is left, upper, right and lower edge in pixels.
    """
    draws = [int(word) for word in words]
    low, high = math.log(RATIO[0]), math.log(RATIO[1])
    for one, two in zip(draws[:TRIES], draws[TRIES : 2 * TRIES], strict=True):
        area = width * height * (AREA[0] + (AREA[1] - AREA[0]) * _unit(one))
        ratio = math.exp(low + (high - low) * _unit(two))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            top, left = draws[-2] % (height - h + 1), draws[-1] % (width - w + 1)
            return (left, top, left + w, top + h)
    w, h = width, height
    if width / height < RATIO[0]:
        h = round(width / RATIO[0])
    elif width / height > RATIO[1]:
        w = round(height * RATIO[1])
    left, top = (width - w) // 2, (height - h) // 2
    return (left, top, left + w, top + h)


def _unit(word: int) -> float:
    """Return a 64-bit word as a number in `[0, 1)`."""
    return (word >> 11) * 2.0**-53


View = Fitted | Cropped
"""A view of an image; pure, so that it is the same in whichever process it is made."""
