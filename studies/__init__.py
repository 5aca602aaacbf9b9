"""What is asked: studies, the catalogue, and the engine that runs them."""

from studies.choices import Integer, Real
from studies.error import StudyError
from studies.published import Published
from studies.space import Space
from studies.stopping import Stopping
from studies.study import Cell, Study

__all__ = ["Cell", "Integer", "Published", "Real", "Space", "Stopping", "Study", "StudyError"]
