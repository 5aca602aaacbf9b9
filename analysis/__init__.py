"""What is concluded: statistics, the table of a study and its formats, and the command line."""
