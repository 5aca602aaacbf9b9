"""What `bam new` writes: studies with one part of the user's own, each a file to edit, which nothing imports."""
