"""Run folders, journals and databases that somebody else has written to: all stays inside the runs folder."""
