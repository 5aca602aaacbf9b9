"""A study as one file for a paper's artefact: its runs, its table, and how to rebuild the one from the other."""
