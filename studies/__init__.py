"""What is asked: studies, the catalogue, and the engine that runs them."""

from studies.space import Space
from studies.study import Cell, Study, StudyError

__all__ = ["Cell", "Space", "Study", "StudyError"]
