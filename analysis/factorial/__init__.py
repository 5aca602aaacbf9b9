"""A factorial study taken apart."""
