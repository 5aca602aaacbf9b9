"""A study told as a paper's method section and its conference's checklist ask, from the records alone."""
