"""What the fork server loads first: from here on it ignores Ctrl-C, which a terminal sends to all its processes.

Its processes begin so, too; a run answers signals as soon as it can (`lightning_bam.signals`). Garbage is collected in
them alone: what the server loads is never garbage, and to look for some in it takes a fifth of its start.
"""

import gc
import os
import signal


def _collect() -> None:
    """Collect garbage in this process, but do not look through what the server has loaded."""
    gc.freeze()
    gc.enable()


gc.disable()
os.register_at_fork(after_in_child=_collect)
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # blocked by `studies.workers.forkserver.serve` until now
