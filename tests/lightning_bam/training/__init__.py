"""Tests of training one run folder."""
