"""Figures and the pages that hold them, drawn with matplotlib from numbers and arrays; nothing here computes them."""
