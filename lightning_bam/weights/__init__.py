"""Weights in files: ours, exported ones, and the authors' checkpoints."""
