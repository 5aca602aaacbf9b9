"""The page that a bundle opens with: what is in it, and the commands that rebuild and check it."""

import shlex
from collections.abc import Mapping, Sequence
from textwrap import dedent
from typing import Final

from studies.definition.study import Study
from studies.terminal.text import one_line

ANONYMOUS: Final = """
Hosts, logs, error messages, other studies, and packages that come from no index are left out, for blind review: a run's
manifest says so, and the hash of the manifest was made anew. A number stands for each commit. All other hashes are
those of the training.
"""


def readme(
    study: Study, words: Sequence[str], *, complete: int, weights: bool, anonymous: bool, made_with: Mapping[str, str]
) -> str:
    """Return the text of README.txt.

    `words` name the study on a command line inside the bundle (`study.py` or a name of the catalogue, and options),
    `complete` counts its complete runs, `made_with` says with which versions, devices, ... they were made.
    """
    named = shlex.join(words)
    total = len(study.rows) * len(study.seed_list)
    own = f"study.py           the study {study.name}; it runs as code: look into it before a command names it"
    if words[0] != "study.py":
        own = f"(no file           the study {words[0]} is in lightning-bam's catalogue)"
    kept = ("" if anonymous else ", logs") + (", checkpoints/last.ckpt" if weights else "")
    which = "version stands" if anonymous else "version and commit stand"
    lines = dedent(
        f"""\
        {one_line(study.label)}: {one_line(study.question)}

        {complete} of {total} runs are complete: {len(study.rows)} rows x {len(study.seed_list)} seeds.

        runs/              a folder for each run: run.json, manifest.json, metrics.jsonl, result.json{kept}
        table.*            the table of these runs in every format
        report.html        the same with plots, power, provenance and every run, for a browser
        {own}
        constraints.txt    what was installed where the bundle was made
        SHA256SUMS         the hash of every file here

        Check that nothing has changed since it was packed:

            sha256sum -c SHA256SUMS

        Rebuild the table from the runs, and check each run, and the table against them, with the lightning-bam whose
        {which} below (in its checkout: pip install -c .../constraints.txt .):

            bam table {named} --root runs
            bam table {named} --root runs --format json --output ../again.json
            bam verify {named} --root runs --table table.json

        Train one of the runs again and compare it, epoch by epoch:

            bam reproduce RUN --root runs

        The runs were trained with:

        """
    )
    lines += "".join(f"    {one_line(f'{name:<18} {value}')}\n" for name, value in made_with.items())
    return lines + (ANONYMOUS if anonymous else "")
