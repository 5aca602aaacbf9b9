"""Searches: spaces, samplers, pruners, trials, and studies that confirm what they found."""
