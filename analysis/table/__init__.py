"""The table of a study: rows, comparisons, verdicts."""
