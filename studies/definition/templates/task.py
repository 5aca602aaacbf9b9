"""Does BAM help to segment digits? `bam run my_study.py` trains the rows, `bam table my_study.py` compares them."""

from dataclasses import replace
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from lightning_bam import BackboneSpec, BAMSpec, DatasetSpec, Metric, Recipe, Run, TaskSpec, spec
from studies import Study


@spec
class Ink(DatasetSpec):  # 1,797 real digits of 8 x 8; a pixel of ink is labelled 1 + its digit, one of paper 0
    classes, shape = 11, (1, 8, 8)

    def load(self) -> tuple[Tensor, ...]:  # labels are (N, height, width): one a pixel
        digits = load_digits()
        images = torch.tensor(digits.images * 15, dtype=torch.uint8)[:, None]
        labels = torch.tensor(digits.target + 1)[:, None, None] * (images[:, 0] > 120)
        return images[:1297], labels[:1297], images[1297:], labels[1297:]


@spec
class MyNet(BackboneSpec):  # keeps the maps' size and gives logits (N, classes, height, width)
    width: int = 16

    def build(self, channels: int, classes: int) -> nn.Module:
        first, second = nn.Conv2d(channels, self.width, 3, padding=1), nn.Conv2d(self.width, self.width, 3, padding=1)
        return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), nn.Conv2d(self.width, classes, 1))

    def layers(self) -> list[str]:  # attention goes behind each ReLU
        return ["1", "3"]


@spec
class Segmentation(TaskSpec):
    metrics = (Metric(name="miou", label="mean IoU (%)", higher_is_better=True, short="mIoU"),)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs, targets)

    def count(self, outputs: Tensor, targets: Tensor) -> Tensor:  # (classes, classes): pixels by label and by answer
        classes = outputs.shape[1]
        return torch.bincount((targets * classes + outputs.argmax(1)).flatten(), minlength=classes**2).view(classes, -1)

    def figures(self, counts: Tensor) -> dict[str, float]:  # of the sum of all counts, over batches and ranks
        both = counts.diag()
        return {"miou": 100 * (both / (counts.sum(0) + counts.sum(1) - both)).nanmean().item()}


recipe = Recipe(epochs=20, batch_size=64, schedule="cosine", crop_padding=0, flip=False)
base = Run(dataset=Ink(), backbone=MyNet(), recipe=recipe, task=Segmentation())
rows = {"none": base, "BAM": replace(base, attention=BAMSpec(reduction=4))}
question = "Does BAM help to segment digits?"
STUDY = Study(name="my_study", question=question, rows=rows, baseline="none", scientific=("attention",), metric="miou")
