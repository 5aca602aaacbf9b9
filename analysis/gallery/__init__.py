"""The README's pictures, and the lines that say what was found: made from the findings that are kept."""
