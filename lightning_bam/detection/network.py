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


def build_detector(run: Run) -> FasterRCNN:
    """Build the detector of a run; it takes a list of normalised images `(C, H, W)` of any sizes.

    At equal seed the weights of trunk, pyramid and heads are the same whatever attention is in the trunk. Every stage
    of the trunk, refined by the attention behind it, is a level of the pyramid. The global random state is left as it
    was. ConfigError for a run that does not detect, a stage that the trunk does not have, or a reduction above the
    channels there.
    """
    assert run.detects
    spec = run.backbone
    assert isinstance(spec, FasterRCNNSpec)
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
        _, height, width = run.dataset.shape
        return FasterRCNN(
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


def most_work(run: Run, network: FasterRCNN) -> None:
    """Pass a blank image of `run.dataset.shape` through a run's detector, and as many regions as its box head may have.

    The image is padded to a multiple of 32 pixels, as torchvision does.
    """
    assert isinstance(run.backbone, FasterRCNNSpec)
    channels, height, width = run.dataset.shape
    padded = (channels, -(-height // PADDED) * PADDED, -(-width // PADDED) * PADDED)
    levels = network.backbone(blank_image(network, padded))
    network.rpn.head(list(levels.values()))
    regions = torch.zeros(run.backbone.proposals, run.backbone.pyramid, POOLED, POOLED)
    network.roi_heads.box_predictor(network.roi_heads.box_head(regions))
