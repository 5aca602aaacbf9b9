"""Finding boxes: a detector around a trunk with attention, its scenes and its score."""

from lightning_bam.detection.data import DetectionData, load_scenes
from lightning_bam.detection.network import build_detector
from lightning_bam.detection.scores import BoxScores
from lightning_bam.detection.sets import SceneSets, Target

__all__ = ["BoxScores", "DetectionData", "SceneSets", "Target", "build_detector", "load_scenes"]
