"""Code of a user's own."""
