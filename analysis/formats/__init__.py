"""A table as text, Markdown, CSV, JSON, LaTeX or HTML."""

from analysis.formats.legend import fixed_facts, legend
from analysis.formats.render import FORMATS, render

__all__ = ["FORMATS", "fixed_facts", "legend", "render"]
