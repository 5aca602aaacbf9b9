"""Tests of what `bam inspect` computes and draws."""
