"""All that W&B is told, and nothing else."""
