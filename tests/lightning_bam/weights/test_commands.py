"""`bam import-checkpoint` and `bam export` as a person meets them."""

import os
import shutil
import sys
import threading
from pathlib import Path

import pytest
import torch

from analysis.cli import main
from analysis.cli.verbs.export import SUFFIXES
from analysis.cli.verbs.import_checkpoint import BACKBONES, DATASETS
from lightning_bam.weights import authors_checkpoint as released
from lightning_bam.weights.state_dicts import load_network
from tests.lightning_bam.weights.authors import authors, checkpoint
from tests.lightning_bam.weights.conftest import RUN
from tests.test_architecture import loaded_by


@pytest.fixture
def here(trained, tmp_path, monkeypatch):
    """A working directory with a runs folder of one run, and a checkpoint of the authors'."""
    shutil.copytree(trained, tmp_path / "runs" / RUN.key)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BAM_ROOT", raising=False)
    return tmp_path


@pytest.fixture(scope="module")
def theirs():
    return authors("resnet18", 10, imagenet=False)


ASKED = ["--backbone", "resnet18", "--dataset", "cifar10"]


def test_import_then_export_gives_the_file_back(here, theirs, capsys):
    torch.save(checkpoint(theirs, optimizer={}), "best.pth.tar")
    assert main(["import-checkpoint", "best.pth.tar", *ASKED]) == 0
    out, err = capsys.readouterr()
    assert out == "models/best\n"
    assert err == "bam import-checkpoint: not imported: optimizer\n"
    assert sorted(path.name for path in Path("models/best").iterdir()) == ["manifest.json", "run.json", "weights.pt"]
    assert main(["export", "models/best", "--format", "authors"]) == 0
    out, err = capsys.readouterr()
    assert out == "best.authors.pt\n"
    assert err.startswith("bam export: a checkpoint of the authors' code: torch.load('best.authors.pt', ")
    again = torch.load("best.authors.pt", weights_only=True)["state_dict"]
    before = checkpoint(theirs)["state_dict"]
    assert set(again) == set(before)
    assert all(torch.equal(again[name], before[name]) for name in before)


def test_differences_leave_with_two_and_a_list(here, theirs, capsys):
    state = checkpoint(theirs)["state_dict"]
    state["module.head"] = state.pop("module.fc.bias")
    torch.save(state, "odd.pth")
    assert main(["import-checkpoint", "odd.pth", *ASKED]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "bam: odd.pth: not the authors' resnet18 on cifar10: 2 differences",
        "  unknown  head  (10,)",
        "  missing  fc.bias  (10,)",
    ]
    assert not Path("models").exists()
    state["module.fc.bias"] = state["module.head"]
    torch.save(state, "odd.pth")
    assert main(["import-checkpoint", "odd.pth", *ASKED]) == 2
    assert capsys.readouterr().err.splitlines()[0] == "bam: odd.pth: not the authors' resnet18 on cifar10: 1 difference"


@pytest.mark.parametrize("wanted", [RUN.key, RUN.key[:5], f"runs/{RUN.key}"], ids=["key", "prefix", "path"])
def test_a_run_is_found_by_key_beginning_or_path(here, wanted, capsys):
    for planted in (RUN.key, RUN.key[:5]):  # in the working directory, where anybody may have put it
        Path(planted).mkdir()
        Path(planted, "run.json").write_text("{}")
    assert main(["export", wanted, "-o", "out/net.pt"]) == 0
    assert capsys.readouterr().out == "out/net.pt\n"
    state = torch.load("out/net.pt", weights_only=True)
    _, network = load_network(Path("runs") / RUN.key)
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())
    assert set(state) == set(network.state_dict())


@pytest.mark.parametrize("form", ["state-dict", "program"])
def test_a_link_is_followed_and_a_pipe_written_into(here, form):
    Path("net.pt").write_bytes(b"old")
    Path("link.pt").symlink_to("net.pt")
    os.mkfifo("pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append(Path("pipe").read_bytes()), daemon=True)
    reader.start()
    assert main(["export", RUN.key, "--format", form, "-o", "link.pt"]) == 0
    assert main(["export", RUN.key, "--format", form, "-o", "pipe"]) == 0
    reader.join(10)
    assert Path("link.pt").is_symlink()
    assert Path("pipe").is_fifo()
    assert [len(data) for data in read] == [Path("net.pt").stat().st_size]
    assert read[0].startswith(b"PK")


@pytest.mark.parametrize("form", ["state-dict", "program"])
def test_a_name_that_nobody_gave_is_no_link_to_follow(here, form):
    Path("beside").mkdir()
    name = RUN.key + SUFFIXES[form]
    for target in ("beside/mine.pt", "beside/absent"):
        Path("beside/mine.pt").write_bytes(b"mine")
        Path(name).unlink(missing_ok=True)
        Path(name).symlink_to(target)
        assert main(["export", RUN.key, "--format", form]) == 0
        assert Path(name).read_bytes().startswith(b"PK")
        assert not Path(name).is_symlink()
        assert [(path.name, path.read_bytes()) for path in Path("beside").iterdir()] == [("mine.pt", b"mine")]


def test_a_linked_folder_of_models_is_refused_unless_it_is_named(here, theirs, capsys):
    torch.save(checkpoint(theirs), "best.pth")
    Path("elsewhere").mkdir()
    Path("models").symlink_to("elsewhere")
    assert main(["import-checkpoint", "best.pth", *ASKED]) == 2
    told = "bam: models: is a link, not a folder; nothing is read or written through it: put a folder there\n"
    assert capsys.readouterr() == ("", told)
    assert list(Path("elsewhere").iterdir()) == []
    assert main(["import-checkpoint", "best.pth", *ASKED, "--output", "models/best"]) == 0
    assert Path("elsewhere/best/weights.pt").is_file()


def test_the_default_name_says_run_and_form(here, capsys):
    assert main(["export", RUN.key[:6], "--format", "program"]) == 0
    assert capsys.readouterr().out == f"{RUN.key}.pt2\n"
    module = torch.export.load(f"{RUN.key}.pt2").module()
    assert module(torch.zeros(5, 1, 8, 8)).shape == (5, 10)


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["export", "zzz"], "'zzz': neither a folder with a run.json nor the beginning of a run's key under runs"),
        (["export", "e"], "'e': 2 runs under runs begin so: e000000000000000, "),
        (["export", "runs"], "runs: holds no run.json; neither a run folder nor a model folder"),
        (["export", "models/none"], "'models/none': neither a folder with a run.json"),
        (
            ["export", RUN.key, "--format", "torchvision"],
            "torchvision has no small_resnet with attention=bam; use --form",
        ),
        (
            ["export", RUN.key, "--format", "authors"],
            "the authors' code has no such network: SmallResNet(",
        ),
        (["import-checkpoint", "no.pth"], "no.pth: no such file"),
    ],
    ids=" ".join,
)
def test_what_goes_wrong_is_one_line(here, argv, said, capsys):
    shutil.copytree(Path("runs") / RUN.key, "runs/e000000000000000")
    assert RUN.key.startswith("e")
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"bam: {said}")
    assert err.count("\n") == 1
    assert not list(Path().glob("*.pt*"))


def test_the_name_of_a_folder_of_somebody_else_makes_no_line(here, capsys):
    forged = "zz\nbam export: all is well"
    shutil.copytree(Path("runs") / RUN.key, f"runs/{forged}")
    for verb in ("export", "inspect", "reproduce"):
        assert main([verb, "zz"]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(
            "bam: 'zz': neither a folder with a run.json nor the beginning of a run's key under runs; "
        )
        assert err.count("\n") == 1
    assert main(["export", f"runs/{forged}"]) == 0
    out, err = capsys.readouterr()
    assert out == "zz\\nbam export: all is well.pt\n"
    assert err.count("\n") == 1
    assert main(["inspect", f"runs/{forged}"]) == 0
    assert not any(line.startswith("bam export") for line in capsys.readouterr().err.splitlines())


def test_an_unfinished_run_leaves_only_when_asked(here, capsys):
    (Path("runs") / RUN.key / "result.json").unlink()
    assert main(["export", RUN.key]) == 2
    assert "the run is complete" not in capsys.readouterr().err
    assert main(["export", RUN.key, "--unfinished"]) == 0
    assert Path(f"{RUN.key}.pt").exists()


def test_the_command_offers_what_there_is(capsys):
    assert (BACKBONES, DATASETS) == (released.BACKBONES, released.DATASETS)
    with pytest.raises(SystemExit) as caught:
        main(["import-checkpoint", "x.pth", "--backbone", "resnet5"])
    assert caught.value.code == 2
    assert "'resnet5' is not known; did you mean 'resnet50'?" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["export", "import-checkpoint"])
def test_help_and_a_wrong_name_load_no_torch(verb, tmp_path):
    call = "from analysis.cli import main\ntry:\n    main({argv!r})\nexcept SystemExit:\n    pass"
    assert loaded_by(call.format(argv=[verb, "--help"])) == []
    if verb == "export":
        assert loaded_by(call.format(argv=[verb, "nothing", "--root", str(tmp_path)])) == []
    assert sys.modules.get("torch"), "this very process has it"
