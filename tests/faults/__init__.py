"""Whole-system tests of what goes wrong, and of what is sent to do harm."""
