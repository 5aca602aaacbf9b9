"""One file a verb of `bam`."""
