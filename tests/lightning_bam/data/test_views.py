"""What is seen of an image, against torchvision's own transforms fed with the same random numbers."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import CenterCrop, Compose, InterpolationMode, RandomResizedCrop, Resize
from torchvision.transforms import transforms as theirs

from lightning_bam.data.order import crop_draws
from lightning_bam.data.views import AREA, RATIO, Cropped, random_box


class Told:
    """Stands in for torch inside torchvision's transform: its draws are our words, in the order they are asked for."""

    def __init__(self, words):
        units = [(int(word) >> 11) * 2.0**-53 for word in words[:20]]
        self.uniform = iter([unit for pair in zip(units[:10], units[10:], strict=True) for unit in pair])
        self.places = iter([int(word) for word in words[20:]])

    def empty(self, _):
        def uniform_(low, high):
            return torch.tensor(float(low) + (float(high) - float(low)) * next(self.uniform), dtype=torch.float64)

        return SimpleNamespace(uniform_=uniform_)

    def randint(self, _low, high, size):
        return torch.tensor(next(self.places) % high)

    def log(self, x):
        return torch.log(x.double())

    tensor, exp, jit = staticmethod(torch.tensor), staticmethod(torch.exp), torch.jit


@pytest.mark.parametrize(("height", "width"), [(37, 53), (61, 11), (7, 97), (1, 3), (23, 23)])
def test_the_crop_is_torchvisions(monkeypatch, height, width):
    image = torch.zeros(3, height, width)
    boxes = set()
    for number, words in enumerate(crop_draws(200, 3, 0, 1)):
        monkeypatch.setattr(theirs, "torch", Told(words))
        top, left, h, w = RandomResizedCrop.get_params(image, AREA, RATIO)
        box = random_box(width, height, words)
        assert box == (left, top, left + w, top + h), number
        boxes.add(box)
    assert len(boxes) > 100 or height in (1, 7, 61)


@pytest.mark.parametrize(("width", "height", "box"), [(100, 10, (43, 0, 56, 10)), (30, 97, (0, 28, 30, 68))])
def test_an_image_that_no_crop_fits_gives_its_centre(width, height, box):
    # the greatest area ten times: it never fits into an image this long; by hand: 10 x 4/3 = 13 and 30 / (3/4) = 40
    words = np.full(22, 2**64 - 1, np.uint64)
    assert random_box(width, height, words) == box


def test_areas_and_ratios_have_the_stated_range():
    boxes = np.array([random_box(1009, 1013, words) for words in crop_draws(2000, 0, 0, 0)])
    w, h = boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]
    area, ratio = w * h / (1009 * 1013), w / h
    assert 0.079 < area.min() < 0.09
    assert area.max() > 0.9
    assert 0.745 < ratio.min() < 0.76
    assert 1.32 < ratio.max() < 1.34
    assert abs(np.log(ratio).mean()) < 0.02, "as wide as high, on average"


def noise(height, width):
    return Image.fromarray(np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize(("height", "width"), [(375, 500), (101, 67), (13, 17), (256, 256)])
@pytest.mark.parametrize(("side", "short"), [(224, 256), (192, 219), (32, 37)])
def test_the_scored_view_is_torchvisions_resize_and_centre_crop(height, width, side, short):
    image = noise(height, width)
    expected = Compose([Resize(short, InterpolationMode.BILINEAR), CenterCrop(side)])(image)
    assert np.array_equal(np.array(Cropped(side).scored(image)), np.array(expected))


def test_the_trained_view_is_the_box_scaled():
    image, words = noise(61, 83), crop_draws(1, 7, 0, 0)[0]
    left, top, right, bottom = random_box(83, 61, words)
    expected = theirs.F.resized_crop(image, top, left, bottom - top, right - left, [29, 29], InterpolationMode.BILINEAR)
    assert np.array_equal(np.array(Cropped(29).train(image, words)), np.array(expected))
