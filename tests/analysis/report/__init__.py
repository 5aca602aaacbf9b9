"""The report of studies: its sentences, its numbers, and its page in a real browser."""
