"""What the project has found: its own studies' records, kept in the package, and what is said of them."""
