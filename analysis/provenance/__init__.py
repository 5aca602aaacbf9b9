"""From a figure back to its runs."""
