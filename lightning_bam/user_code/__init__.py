"""Code of a user's own: a study's file and what it imports; loads no torch but in `build`."""
