"""Text and tables for a terminal, which obeys nothing that is not ours."""
