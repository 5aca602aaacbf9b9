"""Question: does BAM help ResNet18 on Fashion-MNIST, as the paper's equations or as the released code has it?

scientific  attention (none, BAM by the equations, BAM as released, squeeze-and-excitation at the same places)
nuisance    seed (initial weights and order of the data)
fixed       Fashion-MNIST (60,000 train, 10,000 test images), ResNet18 with the small stem, modules after stages 1 to 3,
            reduction 16, 6 epochs of SGD in bf16
command     bam run fashion_resnet18.py --devices 0 --runs-per-device 8 --wandb off
cost        32 runs
n           8 seeds a row, 100 to 107, and the margin of 0.3 points: declared before the first result
result      see README.md beside this file
"""

from dataclasses import replace

from lightning_bam import RELEASED_BAM, BAMSpec, FashionMNIST, Recipe, ResNet18, Run, SESpec
from studies import Study

BASE = Run(
    dataset=FashionMNIST(),
    backbone=ResNet18(),
    recipe=Recipe(
        epochs=6, batch_size=256, lr=0.1, schedule="cosine", warmup_epochs=1.0, crop_padding=2, precision="bf16"
    ),
)

STUDY = Study(
    name="fashion-resnet18",
    question="Does BAM help ResNet18 on Fashion-MNIST, as the paper's equations or as the released code has it?",
    rows={
        "none": BASE,
        "BAM": replace(BASE, attention=BAMSpec()),
        "BAM as released": replace(BASE, attention=replace(RELEASED_BAM, init="kaiming")),
        "SE": replace(BASE, attention=SESpec()),
    },
    baseline="none",
    scientific=("attention", "attention.combine", "attention.norm", "attention.init"),
    seeds=tuple(range(100, 108)),
    margin=0.3,
)
