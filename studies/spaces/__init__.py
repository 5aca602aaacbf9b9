"""The search spaces that come with the package: one file each that defines `SPACE`."""
