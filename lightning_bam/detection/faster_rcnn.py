"""Torchvision's Faster R-CNN around a trunk that may hold attention."""

from typing import Final

import torch
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import MultiScaleRoIAlign

from lightning_bam.backbones.build import attended
from lightning_bam.backbones.layers import Staged
from lightning_bam.config import FasterRCNN as FasterRCNNSpec
from lightning_bam.config import Run, Scenes
from lightning_bam.detection.built import BuiltDetector
from lightning_bam.probe import blank_image, outputs
from lightning_bam.random_streams import seeded, stream

RATIOS: Final = (0.5, 1.0, 2.0)
"""Height of an anchor in units of its width, as torchvision's."""
STRIDES: Final = 8
"""Size of an anchor in strides of its level: torchvision's 32 pixels at stride 4, 512 at stride 64."""
POOLED: Final = 7
"""Side of the map that is pooled from a proposed region."""
PADDED: Final = 32
"""Images are padded to a multiple of this many pixels."""
PROBE: Final = (3, 64, 64)
"""Shape of the blank image that finds the trunk's widths and strides, which no image size changes."""


def faster_rcnn(run: Run, spec: FasterRCNNSpec) -> BuiltDetector:
    """Build the Faster R-CNN of a run. Every stage of the trunk, refined by what is behind it, is a pyramid's level.

    Its most work is as many regions as its box head may have; the image is padded to a multiple of 32 pixels, as
    torchvision does.
    """
    assert isinstance(run.dataset, Scenes)
    trunk = attended(run, spec.trunk, PROBE)
    assert isinstance(trunk, Staged)
    with seeded(stream(run.seed, "detector"), torch.device("cpu")):
        maps = outputs(trunk, trunk.stages, PROBE)
        strides = [PROBE[1] // maps[name].map.shape[2] for name in trunk.stages]
        names = {name: str(level) for level, name in enumerate(trunk.stages)}
        pyramid = BackboneWithFPN(trunk, names, [maps[name].channels for name in trunk.stages], spec.pyramid)
        anchors = AnchorGenerator(
            sizes=tuple((STRIDES * stride,) for stride in (*strides, 2 * strides[-1])),
            aspect_ratios=(RATIOS,) * (len(strides) + 1),
        )
        channels, height, width = run.dataset.shape
        network = FasterRCNN(
            pyramid,
            min_size=min(height, width),
            max_size=max(height, width),
            image_mean=[0.0] * 3,  # the images come normalised
            image_std=[1.0] * 3,
            _skip_resize=not run.dataset.resized,
            rpn_anchor_generator=anchors,
            rpn_pre_nms_top_n_train=2 * spec.proposals,
            rpn_pre_nms_top_n_test=spec.proposals,
            rpn_post_nms_top_n_train=2 * spec.proposals,
            rpn_post_nms_top_n_test=spec.proposals,
            box_roi_pool=MultiScaleRoIAlign(list(names.values()), output_size=POOLED, sampling_ratio=2),
            box_head=TwoMLPHead(spec.pyramid * POOLED**2, spec.hidden),
            box_predictor=FastRCNNPredictor(spec.hidden, run.dataset.classes + 1),  # the first is background
        )

    padded = (channels, -(-height // PADDED) * PADDED, -(-width // PADDED) * PADDED)

    def most_work() -> None:
        levels = network.backbone(blank_image(network, padded))
        network.rpn.head(list(levels.values()))
        regions = blank_image(network, (spec.pyramid, POOLED, POOLED)).expand(spec.proposals, -1, -1, -1)
        network.roi_heads.box_predictor(network.roi_heads.box_head(regions))

    return BuiltDetector(network, (network.rpn.head, network.roi_heads.box_predictor), most_work)
