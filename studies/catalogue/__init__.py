"""The studies that come with the package: one file each, named as the study, that defines `STUDY`."""
