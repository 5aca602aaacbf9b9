"""`python -m lightning_bam` is the command `bam` with that interpreter.

This package imports none of those above it: the installed distribution says what its command `bam` is.
"""

import sys
from importlib.metadata import distribution


def main() -> int:
    """Run what the distribution declares as its command `bam`, and return its exit code."""
    (command,) = distribution("lightning-bam").entry_points.select(group="console_scripts", name="bam")
    code: int = command.load()()
    return code


if __name__ == "__main__":
    if not sys.flags.safe_path:
        del sys.path[0]  # the working directory, in which a folder `studies` may lie
    sys.exit(main())
