"""What is wrong with this machine, its installation or its runs folder, found by trying, each with its mend."""

from studies.doctor.examination import examine
from studies.doctor.finding import Finding, Scene

__all__ = ["Finding", "Scene", "examine"]
