"""What stands between a table and a wrong conclusion: notes and footnotes on the runs behind it."""
