"""A study's runs joined with their folders."""
