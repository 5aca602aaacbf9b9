"""What the analysis run of a study is called in W&B, and what it logs."""

import hashlib
from typing import Final

ANALYSIS: Final = "analysis"
"""Its job type."""
TABLE: Final = "table"
EFFECTS: Final = "effects/picture"
CURVES: Final = "curves/picture"
PAGE: Final = "report"
METHODS: Final = "methods"
MAPS: Final = "inspect/maps"
"""The keys of what it logs: the table with CSV's columns, three kinds of pictures, and two pages of HTML."""


def analysis_id(label: str) -> str:
    """Return the id of the analysis run of the study with this label: always the same, so that it is written over."""
    return f"analysis-{hashlib.sha256(label.encode()).hexdigest()[:8]}"
