"""The detector of a run, by the spec in its backbone."""

from lightning_bam.config import SSD, FasterRCNN, Run
from lightning_bam.detection.built import BuiltDetector
from lightning_bam.detection.faster_rcnn import faster_rcnn
from lightning_bam.detection.ssd import ssd


def build_detector(run: Run) -> BuiltDetector:
    """Build the detector of a run; its network takes a list of normalised images `(C, H, W)` of any sizes.

    At equal seed the weights of trunk, further layers and heads are the same whatever attention is in them. The global
    random state is left as it was. ConfigError for a run that does not detect, a stage that is not there, a reduction
    above the channels there, or images that are too small.
    """
    assert run.detects
    match run.backbone:
        case FasterRCNN():
            return faster_rcnn(run, run.backbone)
        case SSD():
            return ssd(run, run.backbone)
    raise AssertionError(run.backbone.kind)
