"""JSON for programs: what is no number is null, as JSON has no other word for it."""

import json
import math
from typing import Any


def json_text(data: Any, *, ascii_only: bool = True) -> str:
    """Return data as JSON; other signs than ASCII as they are where not `ascii_only`."""
    return json.dumps(without_nan(data), indent=1, ensure_ascii=ascii_only, allow_nan=False)


def without_nan(item: Any) -> Any:
    """Return data with None for each figure that is not a number, or not a finite one."""
    if isinstance(item, dict):
        return {str(key): without_nan(value) for key, value in item.items()}
    if isinstance(item, list | tuple):
        return [without_nan(value) for value in item]
    return None if isinstance(item, float) and not math.isfinite(item) else item
