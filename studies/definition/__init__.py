"""What a study is, and what one call asks of it: pure, reads and writes no file."""
