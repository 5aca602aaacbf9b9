"""What tests of hostile input share with those of the studies."""

from tests.studies.conftest import postgres

__all__ = ["postgres"]
