"""What tests of whole studies share with those of the rooms."""

from tests.studies.conftest import postgres

__all__ = ["postgres"]
