"""Question: does BAM help a detector?

scientific  attention (none or BAM)
nuisance    seed (initial weights and order of the data)
fixed       assumptions, as the paper names only the network and the data: torchvision's Faster R-CNN with a feature
            pyramid on ResNet101 (the paper's is an older one), nothing pretrained; COCO's train and val of 2017 (the
            paper's trainval35k and minival hold the same images); torchvision's reference schedule (26 epochs, batch
            16, SGD 0.02, a tenth after epochs 16 and 22, weight decay 1e-4); the last epoch; BAM after stages 1 to 3 of
            the trunk with the norms of the other tables. The paper's detector surely began from ImageNet weights, so
            that its mAP is expected to stay out of reach; the difference is what is asked
command     bam run paper-4a && bam table paper-4a
cost        6 runs of 26 epochs of COCO; not measured yet
n           3 seeds a row
result      not run yet
"""

from dataclasses import replace

from lightning_bam.config import CocoDetection, FasterRCNN, Recipe, ResNet101, Run
from studies.definition.study import Study
from studies.paper.networks import BAM
from studies.paper.published import published

PLAIN = Run(
    dataset=CocoDetection(),
    backbone=FasterRCNN(trunk=ResNet101(stem="imagenet", stride_on="1x1")),
    recipe=Recipe(
        epochs=26, batch_size=16, lr=0.02, nesterov=False, weight_decay=1e-4, milestones=(16 / 26, 22 / 26), gamma=0.1
    ),
)

STUDY = Study(
    name="paper-4a",
    question="Does BAM help a detector?",
    rows={"none": PLAIN, "BAM": replace(PLAIN, attention=BAM)},
    baseline="none",
    scientific=("attention",),
    seeds=3,
    paper="4a",
    published={
        "none": published("4a", "faster_rcnn_resnet101", "none"),
        "BAM": published("4a", "faster_rcnn_resnet101", "bam"),
    },
    metric="map_50_95",
)
