"""What closing the open rows takes, and rounds of a stopping rule."""
