"""Clusters: what puts workers into a queue."""
