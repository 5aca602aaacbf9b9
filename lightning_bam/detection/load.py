"""From the description of scenes to the scenes."""

from lightning_bam.config import CocoDetection, Scenes
from lightning_bam.detection.coco import coco
from lightning_bam.detection.digits import digit_scenes
from lightning_bam.detection.sets import SceneSets


def load_scenes(dataset: Scenes) -> SceneSets:
    """Return the scenes that `dataset` describes.

    Raises:
        ConfigError: in one line, files that are missing or do not fit; it says what to put where.

    """
    return coco(dataset) if isinstance(dataset, CocoDetection) else digit_scenes(dataset)
