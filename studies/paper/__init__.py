"""The paper's networks and its printed figures."""
