"""What the fork server loads first: from here on it ignores Ctrl-C, which a terminal sends to all its processes.

Its processes begin so, too; a run answers signals as soon as it can (`lightning_bam.signals`).
"""

import signal

signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # blocked by `studies.workers.forkserver.serve` until now
