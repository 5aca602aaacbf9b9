"""Who may train which run, on one host and between hosts."""
