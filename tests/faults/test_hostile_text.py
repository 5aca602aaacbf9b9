"""Text out of a record that means something to the terminal, spreadsheet, page, shell or queue where it arrives."""

from __future__ import annotations

import csv
import io
import json
import re
import runpy
import shlex
import sys
import unicodedata
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution

from analysis.cli import main
from analysis.cli.verbs.search import confirm
from analysis.formats.data import csv_cell
from analysis.formats.markdown import escaped
from lightning_bam.run_folder.files import FolderError
from lightning_bam.run_folder.folder import RunFolder
from studies import Space
from studies.doctor.runs_folder import leases
from studies.engine.progress import LiveView, Progress
from studies.library import find_study
from studies.search.method import Method
from studies.search.search import Search
from studies.storage.optuna_storage import open_storage
from studies.terminal.console import Console
from studies.terminal.text import VisibleStream, one_line, visible
from tests.analysis.synthetic import finish, interrupt
from tests.studies.conftest import BASE

EVIL = (
    "\x1b]52;c;cm0=\x07\x1b[2J\x9b31m\x1b]8;;http://evil/\x1b\\x\x1b]8;;\x1b\\\r\x08\u202egpj\u2066\n"
    "bam: all is well\u200b"
)
"""It fills the clipboard, clears the screen, links, goes back, turns letters round, and says what is not so."""
SHOWN = "\\u001b]52;c;cm0=\\u0007\\u001b[2J\\u009b31m"
"""How it begins where it is shown."""
FILE = r"""
from lightning_bam import BAMSpec, Digits, Recipe, Run, SmallResNet
from dataclasses import replace
from studies import Study

base = Run(
    dataset=Digits(), backbone=SmallResNet(width=4),
    recipe=Recipe(epochs=2, batch_size=64, schedule="cosine", crop_padding=0, flip=False),
)
LABELS = ["none", "[red]BAM[/red]", "=1+1", "![x](http://evil/p.png)|<b>`", r"\input{/etc/passwd}% $x$"]
STUDY = Study(
    name="hostile", question="Does\x1b[2J [bold]it[/bold] help?", baseline="none", seeds=2,
    scientific=("attention", "attention.reduction"),
    rows={label: replace(base, attention=BAMSpec(reduction=n) if n else None) for n, label in enumerate(LABELS)},
)
"""
VERBS = [
    ["status", "hostile.py"],
    ["status"],
    ["list"],
    ["list", "--json"],
    ["explain", "hostile.py", "=1+1", "--against", "none"],
    ["explain", "hostile.py", "none"],
    ["explain", "hostile.py", "=1+1"],
    ["explain", "hostile.py", "[red]BAM[/red]", "--json"],
    ["status", "hostile.py", "--json"],
    ["seeds", "hostile.py", "--margin", "0.3"],
    ["verify", "hostile.py"],
    ["verify", "hostile.py", "--json"],
    ["reproduce", "evil"],
    *(["table", "hostile.py", "--format", form] for form in ("text", "md", "csv", "json", "tex", "html")),
    ["table", "hostile.py", "--runs"],
    ["table", "hostile.py", "--runs", "--format", "json"],
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Be where a study of hostile labels has complete, failed and interrupted runs with hostile records."""
    monkeypatch.chdir(tmp_path)
    Path("hostile.py").write_text(FILE)
    root = Path("runs")
    for place, (row, run) in enumerate(find_study("hostile.py").runs()):
        if row == "=1+1" and run.seed:
            interrupt(root, run, "failed")
            error = {"cause": "error", "error": EVIL, "traceback": f"Traceback:\n{EVIL}"}
            RunFolder.of(root, run).note(**error, host=EVIL, attempt=1)
        elif row.startswith("[red]") and run.seed:
            interrupt(root, run, "running")
            with (RunFolder.of(root, run).path / "metrics.jsonl").open("a") as file:
                file.write('{"epoch": 1, "train_loss": 1.0, "error_top1": null}\n')
        else:
            made = {"host": EVIL, "commit": f"{EVIL}{place}", "torch": EVIL, "device": EVIL, "cpu": EVIL, "data": EVIL}
            finish(root, run, 20.0 + place / 4, loss=2.0 + place / 8, **made)
    begun = {f"{EVIL[:20]}{place}": {"row": EVIL, "asked": EVIL} for place in range(2)}
    for folder in root.glob("*/manifest.json"):
        RunFolder(folder.parent).note(studies=begun)
    (root / "evil").mkdir()
    (root / "evil" / "run.json").write_text(f'{{"{EVIL[:40]}": 1}}')
    return root


def obeyed(text):
    """Return the signs of `text` that a terminal would obey or not show."""
    return {
        sign for sign in text if sign not in "\n\t" and unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")
    }


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_no_verb_prints_what_a_terminal_obeys(here, capsys, words):
    main([*words, *(["--root", str(here)] if words[0] != "studies" else [])])
    said = capsys.readouterr()
    assert obeyed(said.out + said.err) == set()
    assert not [line for line in said.out.splitlines() + said.err.splitlines() if line == "bam: all is well"]
    if "--json" in words or "json" in words:
        json.loads(said.out, parse_constant=pytest.fail)  # NaN


@pytest.mark.parametrize("verb", [["diff"], ["rm"], ["logs"]], ids=" ".join)
def test_no_verb_of_runs_does_either(here, capsys, verb):
    one, other = (folder.parent for folder in sorted(here.glob("*/result.json"))[:2])
    RunFolder(one).log.write_text(EVIL)
    assert main([*verb, one.name, *([other.name] if verb != ["logs"] else [])]) in (0, 1)
    said = capsys.readouterr()
    assert obeyed(said.out + said.err) == set()
    assert "u001b" in said.out


def test_markup_in_a_label_is_printed_as_it_stands(here, capsys, monkeypatch):
    monkeypatch.setattr(
        "analysis.cli.verbs.plan.counts", lambda rows: dict.fromkeys(rows, SimpleNamespace(params=1, macs=1))
    )
    for words in (["status", "hostile.py"], ["plan", "hostile.py"], ["explain", "hostile.py", "[red]BAM[/red]"]):
        assert main(words) == 0
        out = capsys.readouterr().out
        assert "[red]BAM[/red]" in out
        assert ("[bold]it[/bold] help?" in out) == (words[0] != "status")


def test_what_went_wrong_is_still_said(here, capsys):
    assert main(["explain", "hostile.py", "=1+1", "1"]) == 0
    out = capsys.readouterr().out
    assert f"failed    error: {SHOWN}" in out
    assert "gpj\\u2066\\nbam: all is well\\u200b" in out, "a value of one line stays one"
    assert "    \\u001b]52;c;cm0=" in out, "and in the traceback"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_the_live_view_shows_a_hostile_error(here):
    cell = find_study("hostile.py").runs()[1]
    progress = Progress(title=f"hostile{EVIL}", total=2, slots=1)
    progress.failed.append((cell, EVIL))
    out = Terminal()
    console = Console(file=out, force_terminal=True, width=400, height=50)
    with LiveView(console) as view:
        view(progress)
        print(EVIL, file=sys.stderr)
    written = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out.getvalue()).replace("\r", "")
    assert obeyed(written) == set(), "but for the console's own colours and moves"
    assert written.count("\\u001b]52;c;cm0=\\u0007") >= 2, "the error, and what is printed meanwhile"
    assert "failed: [red]BAM[/red] seed 0:" in written
    assert "\x1b]" not in out.getvalue()
    assert "\x1b[2J" not in out.getvalue()


@given(st.text())
def test_what_is_shown_holds_nothing_to_obey(text):
    out = io.StringIO()
    VisibleStream(out).write(text)
    assert obeyed(out.getvalue()) == set()
    assert "\n" not in one_line(text)
    assert json.loads(json.dumps({"a": visible(text)}, ensure_ascii=False)) == {"a": visible(text)}
    assert json.loads(visible(json.dumps(text, ensure_ascii=False))) == text, "JSON stays JSON, and says the same"


@pytest.mark.parametrize("text", ["Δ ± 0.3 − 1 · ›naïve‹ 注意\tand\n", "a\u00a0b", "𝛼"])
def test_ordinary_text_stays_as_it_is(text):
    assert visible(text) == text


@pytest.mark.parametrize("words", [[], ["--runs"]], ids=["table", "runs"])
def test_a_spreadsheet_runs_nothing_of_a_csv(here, capsys, words):
    assert main(["table", "hostile.py", "--format", "csv", *words]) == 0
    lines = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert "'=1+1" in [line["row"] for line in lines]
    cells = [cell for line in lines for cell in line.values() if cell]
    assert [cell for cell in cells if cell[0] in "=@\t\r" or (cell[0] in "+-" and not is_number(cell))] == []
    assert any(is_number(line["delta"]) for line in lines if line.get("delta")) or words


def is_number(cell):
    try:
        float(cell)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    ("item", "cell"),
    [
        (-0.5, -0.5),
        ("-0.5", "-0.5"),
        ("+1.5e-07", "+1.5e-07"),
        ("BAM", "BAM"),
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("-1+cmd|' /C calc'!A0", "'-1+cmd|' /C calc'!A0"),
        ("+BAM", "'+BAM"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\\u000d=1"),
        (None, None),
    ],
)
def test_a_cell_that_begins_as_a_formula_has_an_apostrophe(item, cell):
    assert csv_cell(item) == cell


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("![x](http://evil/p.png)", r"![x\](http://evil/p.png)"),
        ("[x](javascript:alert(1))", r"[x\](javascript:alert(1))"),
        ("[x][y] [y]: http://evil", r"[x\][y] [y\]: http://evil"),
        (r"[x\](http://evil)", r"[x\\\](http://evil)"),
        ("<img src=x>", r"\<img src=x>"),
        ("a | b `c`", r"a \| b \`c\`"),
        ("−0.70 [−3.71, +2.31]", "−0.70 [−3.71, +2.31]"),
        ("\x1b[2J", r"\\u001b[2J"),
    ],
)
def test_markdown_fetches_and_links_nothing(text, written):
    assert escaped(text) == written


def test_a_label_is_no_command_of_latex(here, capsys):
    assert main(["table", "hostile.py", "--format", "tex"]) == 0
    out = capsys.readouterr().out
    assert r"\textbackslash{}input\{/etc/passwd\}\% \$x\$" in out
    assert r"\input" not in out


def test_the_report_holds_no_markup_of_a_record(here, capsys):
    assert main(["report", "hostile.py"]) == 0
    capsys.readouterr()
    page = Path("report.html").read_text()
    assert "<b>`" not in page
    assert "![x](http://evil/p.png)|&lt;b&gt;`" in page
    assert not re.findall(r'(?:href|src)="(?!#|data:image/)[^"]*"', page)
    assert obeyed(page) == set()


def test_doctors_commands_name_the_folder_that_they_are_about(tmp_path):
    root = tmp_path / "my runs"
    folder = root / "a; rm -rf $HOME"
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{")
    (folder / "manifest.json").write_text("{")
    (problem, _) = leases(root)
    command, *_ = problem.mend.partition(", and the next")
    assert shlex.split(command) == ["rm", "-r", str(folder)]


@pytest.mark.parametrize(
    "by", ['x\n"""\nopen("ran", "w")\n"""', 'x"""; open("ran", "w"); """', '\\"""; open("ran", "w") #']
)
def test_what_a_database_says_of_a_trial_is_no_code_of_the_study_that_confirms_it(tmp_path, monkeypatch, by):
    """Another host has written by which sampler the trial was proposed, and this file is run."""
    monkeypatch.chdir(tmp_path)
    storage = open_storage(tmp_path / "runs")
    space = Space(name="mine", question="Which?", base=BASE, choices={"attention": ("none", "bam")})
    search = Search(tmp_path / "runs", space, Method(sampler="random", trials=2), storage=storage)
    with closing(search):
        trial = optuna.trial.create_trial(
            params={"attention": "bam"},
            distributions={"attention": CategoricalDistribution(("none", "bam"))},
            values=[12.5],
            user_attrs={"by": by, "key": "0" * 16},
        )
        search.optuna.add_trial(trial)
        confirm(search, 1)
    (path,) = (tmp_path / "runs").glob("*.py")
    assert find_study(str(path)).seed_list
    assert not Path("ran").exists()
    assert one_line(by) in runpy.run_path(str(path))["__doc__"]


def test_a_traceback_of_ours_is_visible_too(tmp_path, capsys, monkeypatch):
    """The interpreter prints it when the verb is over."""

    def broken(_arguments):
        raise RuntimeError(EVIL)

    monkeypatch.setattr("analysis.cli.verbs.studies.execute", broken)
    with pytest.raises(RuntimeError):
        main(["studies"])
    print(EVIL, file=sys.stderr)
    assert obeyed(capsys.readouterr().err) == set()


def test_an_error_is_one_line(tmp_path, capsys, monkeypatch):
    def refused(_arguments):
        raise FolderError(f"{tmp_path}: {EVIL}")

    monkeypatch.setattr("analysis.cli.verbs.studies.execute", refused)
    assert main(["studies"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_there_is_one_door_to_a_terminal_and_one_to_a_page():
    """A console or an escape of a library's own would let through what ours do not."""
    here = Path(__file__).parents[2]
    files = [path for room in ("studies", "analysis", "lightning_bam") for path in (here / room).rglob("*.py")]
    doors = re.compile(
        r"from rich\.console import .*\bConsole\b|from rich import print|html\.escape\(|from html import"
    )
    found = {str(path.relative_to(here)) for path in files if doors.search(path.read_text())}
    searching = "analysis/bundle/anonymous.py"  # for names as a page has them; it prints nothing
    assert found - {searching} == {"analysis/html/templates.py"}
