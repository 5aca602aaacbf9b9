"""Figures and page of `bam inspect`."""
