"""Tests of `bam submit` on a Slurm cluster of their own."""
