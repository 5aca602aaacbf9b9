"""Question: does BAM help a one-shot detector?

scientific  attention (none or BAM)
nuisance    seed (initial weights and order of the data)
fixed       assumptions, as the paper names the detectors, the data and its counts alone: torchvision's SSD at 300 x 300
            on VOC, trained on 07+12 trainval and scored on 07 test; nothing pretrained and images mirrored alone, where
            SSD's own begins from ImageNet and distorts, shrinks and crops, so that its mAP is expected to stay out of
            reach and the difference is what is asked; the schedule of SSD's released code (120,000 steps of 32 images,
            which are 232 epochs, SGD 0.001, a tenth after two and five sixths, weight decay 5e-4); the last epoch;
            COCO's mAP@.5, where VOC's own of 2007 took 11 points of recall. SSD has 26.3 M params; the printed 26.5 M
            want 6 default boxes at each place of the first map, with which the MobileNet's 5.81 M come out, too.
            StairNet's layout is that of a draft in the public repository of one of its authors; BAM stands in front of
            every map's classifiers, as CBAM does in the same authors' later paper, with the norms of the other tables
missing     StairNet with MobileNet, printed without and with BAM: its 5.98 and 6.00 M do not follow from StairNet's
            layout, which has 12.8 M there, and several others, narrower and of separable convs, have both
command     bam run paper-4b && bam table paper-4b; on embedded data --set dataset=digit_scenes
            --set dataset.height=300 --set dataset.width=300 --set backbone.width=0.0625 --set recipe.epochs=5
cost        12 runs of 232 epochs of VOC; not measured yet
n           3 seeds a row
result      not run yet
"""

from dataclasses import replace

from lightning_bam.config import SSD, Recipe, Run, VOCDetection
from studies.definition.study import Study
from studies.paper.networks import BAM
from studies.paper.published import published

VGG = Run(
    dataset=VOCDetection(),
    backbone=SSD(first_boxes=6),
    recipe=Recipe(
        epochs=232, batch_size=32, lr=0.001, nesterov=False, weight_decay=5e-4, milestones=(2 / 3, 5 / 6), gamma=0.1
    ),
)
STAIRS = replace(VGG, backbone=SSD(first_boxes=6, top_down=256))
MOBILE = replace(VGG, backbone=SSD(base="mobilenet_v1", first_boxes=6))

STUDY = Study(
    name="paper-4b",
    question="Does BAM help a one-shot detector?",
    rows={
        "SSD VGG16": VGG,
        "StairNet VGG16": STAIRS,
        "StairNet VGG16 + BAM": replace(STAIRS, attention=BAM),
        "SSD MobileNet": MOBILE,
    },
    baseline=("SSD VGG16", "StairNet VGG16", "SSD MobileNet"),
    within=("backbone",),
    scientific=("attention",),
    seeds=3,
    paper="4b",
    published={
        "SSD VGG16": published("4b", "ssd_vgg16", "none"),
        "StairNet VGG16": published("4b", "stairnet_vgg16", "none"),
        "StairNet VGG16 + BAM": published("4b", "stairnet_vgg16", "bam"),
        "SSD MobileNet": published("4b", "ssd_mobilenet", "none"),
    },
    metric="map_50",
)
