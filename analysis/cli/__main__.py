"""`python -m analysis.cli` is `bam` with that interpreter, wherever its scripts are installed."""

import sys

from analysis.cli import main

sys.exit(main())
