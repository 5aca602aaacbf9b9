"""Whether the records behind a table are what the trainings left, and whether the table follows from them."""
