"""What is asked: studies, the catalogue, and the engine that runs them."""

from studies.definition.stopping import Stopping
from studies.definition.study import Cell, Study
from studies.errors import StudyError
from studies.paper.published import Published
from studies.search.choices import Integer, Real
from studies.search.space import Space

__all__ = ["Cell", "Integer", "Published", "Real", "Space", "Stopping", "Study", "StudyError"]
