"""What is asked: studies, the catalogue, and the engine that runs them."""

from studies.study import Cell, Study, StudyError

__all__ = ["Cell", "Study", "StudyError"]
