"""Does attention help my network? `bam run my_study.py` trains its rows, `bam table my_study.py` compares them."""

from dataclasses import replace
from torch import Tensor, nn
from lightning_bam import BackboneSpec, BAMSpec, Digits, Recipe, Run, SESpec, spec
from studies import Study


class Net(nn.Module):  # any network that maps images (N, channels, height, width) to logits (N, classes)
    def __init__(self, channels: int, classes: int, width: int) -> None:
        super().__init__()
        self.stage1 = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.stage2 = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        maps = nn.functional.max_pool2d(self.stage1(images), 2)
        return self.head(self.stage2(maps).mean((2, 3)))


@spec
class MyNet(BackboneSpec):  # what a row says of it; its fields are knobs to compare and to search
    width: int = 16

    def build(self, channels: int, classes: int) -> nn.Module:
        return Net(channels, classes, self.width)

    def layers(self) -> list[str]:  # the places for attention, as in `network.get_submodule`
        return ["stage1", "stage2"]


recipe = Recipe(epochs=5, batch_size=64, schedule="cosine", crop_padding=0, flip=False)  # no crops, no mirrored digits
base = Run(dataset=Digits(), backbone=MyNet(), recipe=recipe)  # 1,797 embedded 8 x 8 digits: seconds a run
attention = {"none": None, "BAM": BAMSpec(reduction=4), "SE": SESpec(reduction=4)}
rows = {row: replace(base, attention=module) for row, module in attention.items()}
STUDY = Study(
    name="my_study", question="Does attention help my network?", rows=rows, baseline="none", scientific=("attention",)
)
