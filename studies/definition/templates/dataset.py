"""Does BAM help on my images? `bam run my_study.py` trains the rows, `bam table my_study.py` compares them."""

from dataclasses import replace
from math import pi
import torch
from torch import Tensor
from lightning_bam import BAMSpec, DatasetSpec, Recipe, Run, SmallResNet, spec
from studies import Study


def stripes(labels: Tensor, noise: float, seed: int) -> Tensor:  # class k is turned by k x 45 degrees
    random = torch.Generator().manual_seed(seed)  # the same images in every run: the run's seed is the training's
    y, x = torch.meshgrid(torch.arange(16), torch.arange(24), indexing="ij")
    angle, phase = labels * pi / 4, 2 * pi * torch.rand(len(labels), generator=random)
    waves = torch.sin(x * angle.cos()[:, None, None] + y * angle.sin()[:, None, None] + phase[:, None, None])
    grey = 128 + 40 * waves + noise * torch.randn(waves.shape, generator=random)
    return grey.clamp(0, 255).to(torch.uint8)[:, None]


@spec
class Stripes(DatasetSpec):  # what a row says of it; its fields are knobs, as in --set dataset.noise=200
    noise: float = 120
    classes = 4
    shape = (1, 16, 24)  # channels, height, width

    def load(self) -> tuple[Tensor, ...]:  # images (N, *shape) uint8, and labels (N,) from 0 on
        train, test = torch.arange(800) % 4, torch.arange(400) % 4
        return stripes(train, self.noise, seed=1), train, stripes(test, self.noise, seed=2), test


recipe = Recipe(epochs=5, batch_size=32, schedule="cosine", crop_padding=2, flip=False)  # mirrored, 45 is 135 degrees
base = Run(dataset=Stripes(), backbone=SmallResNet(width=8), recipe=recipe)
rows = {"none": base, "BAM": replace(base, attention=BAMSpec(reduction=4))}
STUDY = Study(
    name="my_study", question="Does BAM help on my images?", rows=rows, baseline="none", scientific=("attention",)
)
