"""Does my gate help? `bam run my_study.py` trains the rows with five seeds, `bam table my_study.py` compares them."""

from dataclasses import replace
from torch import Tensor, nn
from lightning_bam import AttentionSpec, BAMSpec, Digits, Recipe, Run, SmallResNet, spec
from studies import Study


class Gate(nn.Module):  # any module that maps (N, channels, height, width) to maps of the same shape
    def __init__(self, kernel_size: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((2, 3))[:, None]  # (N, 1, channels); a channel's gate sees its mean and its neighbours'
        return x * self.conv(means).sigmoid()[:, 0, :, None, None]


@spec
class MyGate(AttentionSpec):  # what a row says of it; its fields are knobs to compare and to search
    kernel_size: int = 3

    def build(self, channels: int) -> nn.Module:  # called for each place in the network: behind all stages but the last
        return Gate(self.kernel_size)


recipe = Recipe(epochs=5, batch_size=64, schedule="cosine", crop_padding=0, flip=False)  # no crops, no mirrored digits
base = Run(dataset=Digits(), backbone=SmallResNet(width=8), recipe=recipe)  # 1,797 embedded 8 x 8 digits: seconds a run
rows = {"none": base, "BAM": replace(base, attention=BAMSpec(reduction=4)), "mine": replace(base, attention=MyGate())}
STUDY = Study(name="my_study", question="Does my gate help?", rows=rows, baseline="none", scientific=("attention",))
