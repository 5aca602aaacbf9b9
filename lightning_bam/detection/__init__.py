"""Finding boxes: a detector around a trunk with attention, its scenes and its score."""
