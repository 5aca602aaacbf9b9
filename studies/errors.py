"""What a study that cannot be asked raises."""


class StudyError(ValueError):
    """A study that cannot be asked; the message is one line that carries the offending value."""
