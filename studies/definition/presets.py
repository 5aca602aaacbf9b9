"""The scales at which the catalogue's questions can be asked."""

from typing import Final

from lightning_bam.config import CIFAR100, ClutteredDigits, Recipe, ResNet50, Run, SmallResNet

PAPER: Final = Run(dataset=CIFAR100(), backbone=ResNet50(stride_on="1x1"), recipe=Recipe())
"""ResNet50 on CIFAR-100 with the public recipe closest to the paper, whose own is unknown (see `Recipe`)."""

SMALL_RECIPE: Final = Recipe(
    epochs=5, batch_size=32, lr=0.1, schedule="cosine", warmup_epochs=1.0, crop_padding=0, flip=False
)
"""For cluttered digits: neither flipped (a 2 would become another sign) nor cropped (digits are placed at random)."""

SMALL: Final = Run(dataset=ClutteredDigits(), backbone=SmallResNet(width=32), recipe=SMALL_RECIPE)
"""A small net on embedded data, wide enough for reduction 32 after its first stage."""

PRESETS: Final = {"paper": PAPER, "small": SMALL}
