"""The loop that trains what is missing of a study."""
