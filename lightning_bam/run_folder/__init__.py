"""The run folder, the whole record of one training run. Loads no torch."""
