"""The command `bam`: one verb a file, each loading what it needs when it is called."""

import os
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

ASKED: Final = "_ARGCOMPLETE"
"""The variable by which a shell that argcomplete is registered with asks what may follow, instead of running `bam`."""
RESUMABLE: Final = ("quickstart", "run", "search", "worker")
"""Verbs whose repetition resumes an interrupted call."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code; what it prints is visible, also where it comes from somebody's record.

    0 done, 1 some runs failed or are missing (or what was checked is not right), 2 refused in one line, 3 incomplete
    under --strict (or a node is gone), 130 interrupted (Ctrl-C, or a signal of `studies.workers.signals`).
    """
    os.environ["MPLBACKEND"] = "agg"  # a notebook's backend is none here: matplotlib could not even be imported
    with ExitStack() as streams:
        try:
            from analysis.cli.parser import make_parser  # Ctrl-C while they load is one, too
            from studies.terminal.text import visible_streams
            from studies.workers.signals import termination_as_interrupt

            if hidden_package():  # an editable install finds the modules below it, so that no import of these fails
                raise ImportError

            streams.enter_context(visible_streams())
            parser = make_parser()
            if ASKED in os.environ:
                from analysis.cli.completion import complete

                complete(parser)
            arguments = parser.parse_args(argv)
            with termination_as_interrupt():
                code: int = arguments.execute(arguments)
                sys.stdout.flush()
        except KeyboardInterrupt:
            with suppress(OSError):  # the terminal may be gone
                verb = next(iter(sys.argv[1:] if argv is None else argv), "")
                rest = "; the same command goes on from here" if verb in RESUMABLE else ""
                print(f"bam: interrupted{rest}", file=sys.stderr)
            return 130
        except BrokenPipeError:  # `bam table | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        except Exception as error:
            if isinstance(error, ImportError) and (hidden := hidden_package()):
                print(hidden, file=sys.stderr)
                return 2
            from analysis.cli.errors import line_for
            from studies.terminal.text import one_line

            if (line := line_for(error)) is None:
                raise
            for text in (f"bam: {line}", *getattr(error, "__notes__", ())):  # a list that goes with it, item by item
                print(one_line(text), file=sys.stderr)
            return 2
        return code


def hidden_package() -> str:
    """Say in a line what hides another package of ours, as a folder `studies` on PYTHONPATH does; empty for nothing."""
    home = Path(__file__).parent.parent.parent
    for name in ("lightning_bam", "studies"):
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and not Path(file).is_relative_to(home / name):
            return (
                f"bam: {file} hides the package `{name}` of lightning-bam; rename it, or take its folder off PYTHONPATH"
            )
    return ""
