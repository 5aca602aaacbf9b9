"""What every page that `bam` writes shares: one file, its style, and parts that read well on paper and on a phone."""

from analysis.html.page import document, picture, scrolling

__all__ = ["document", "picture", "scrolling"]
