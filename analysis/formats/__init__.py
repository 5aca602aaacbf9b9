"""A table as text, Markdown, CSV, JSON, LaTeX or HTML."""

from analysis.formats.legend import fixed_facts, legend
from analysis.formats.render import ENDINGS, FORMATS, render

__all__ = ["ENDINGS", "FORMATS", "fixed_facts", "legend", "render"]
