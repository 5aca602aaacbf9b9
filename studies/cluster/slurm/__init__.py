"""Slurm, through submitit."""
