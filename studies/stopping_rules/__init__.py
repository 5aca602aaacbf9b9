"""Stopping rules in writing: declared before the first result."""
