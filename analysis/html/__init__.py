"""Pages from templates, `*.html.j2` in the room that uses them: what all pages share, and how text is escaped."""
