"""Launchers: what puts workers into a cluster's queue."""
