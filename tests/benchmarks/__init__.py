"""Measurements, run by hand: each prints its figures with n, command and hardware."""
