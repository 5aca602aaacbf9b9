"""Where Optuna keeps studies: a journal file, or PostgreSQL."""
