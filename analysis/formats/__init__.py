"""A table as text, Markdown, CSV, JSON, LaTeX or HTML, and the parts that these share."""
