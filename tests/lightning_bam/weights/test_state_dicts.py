"""A network from its folder: its own weights, or one line that says why not."""

import json
import resource
import shutil
import zipfile
from dataclasses import replace

import pytest
import torch

from lightning_bam import Classifier, FolderError, ImageData, RunFolder
from lightning_bam.data import normalise
from lightning_bam.tensor_files import read_file
from lightning_bam.training.checkpoint import damage
from lightning_bam.weights.state_dicts import load_network, save_model
from tests.lightning_bam.attention.contract import image
from tests.lightning_bam.weights.conftest import RUN


@pytest.fixture
def folder(trained, tmp_path):
    return RunFolder(shutil.copytree(trained, tmp_path / "run"))


def refusal(path, **more):
    with pytest.raises(FolderError) as caught:
        load_network(path, **more)
    assert "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path))


def test_a_finished_run_scores_what_its_result_says(trained):
    run, network = load_network(trained)
    assert run == RUN
    assert not network.training
    images = ImageData(run).images
    with torch.no_grad():
        logits = network(normalise(images.test, images.mean, images.std))
    correct, scored = int((logits.argmax(1) == images.test_labels).sum()), len(logits)
    result = RunFolder(trained).result()
    assert (correct, scored) == (result.correct_top1, result.scored)


def test_the_weights_are_the_checkpoints(trained):
    _, network = load_network(trained)
    stored = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    ours = network.state_dict()
    assert {f"network.{name}" for name in ours} == set(stored)
    assert all(torch.equal(value, stored[f"network.{name}"]) for name, value in ours.items())


def test_a_model_folder_is_the_same_network(trained, tmp_path):
    run, network = load_network(trained)
    save_model(tmp_path / "model", run, network, origin={"file": "mine"})
    again, copy = load_network(tmp_path / "model")
    assert again == run
    x = image(3, *run.dataset.shape).float()
    with torch.no_grad():
        assert torch.equal(copy(x), network(x))
    assert json.loads((tmp_path / "model" / "manifest.json").read_text()) == {
        "key": run.key,
        "origin": {"file": "mine"},
    }
    with pytest.raises(FolderError, match="holds a network already"):
        save_model(tmp_path / "model", run, network)
    with pytest.raises(FolderError, match="holds a network already"):
        save_model(trained, run, network)


def test_no_folder_and_no_weights(tmp_path, folder):
    assert refusal(tmp_path / "no") == "/run.json: no such file; not a run folder"
    folder.checkpoint.unlink()
    assert refusal(folder.path) == ": holds neither weights.pt nor checkpoints/last.ckpt; the run is complete"


def test_an_unfinished_run_is_refused_unless_asked_for(folder):
    (folder.path / "result.json").unlink()
    folder.note(state="running")
    assert refusal(folder.path) == (
        ": the run is interrupted, not complete; train it to the end, or use --unfinished for the weights of its last "
        "epoch"
    )
    run, network = load_network(folder.path, unfinished=True)
    stored = read_file(folder.checkpoint)["state_dict"]
    assert run == RUN
    assert torch.equal(network.fc.weight, stored["network.fc.weight"])


@pytest.mark.parametrize("keep", [0, 77, -1000])
def test_a_torn_checkpoint(folder, keep):
    folder.checkpoint.write_bytes(folder.checkpoint.read_bytes()[:keep])
    assert refusal(folder.path).startswith("/checkpoints/last.ckpt: torn, or not written by torch.save (")


def test_a_checkpoint_of_something_else(folder):
    torch.save({"weights": 3}, folder.checkpoint)
    assert refusal(folder.path) == "/checkpoints/last.ckpt: holds no state_dict; not a checkpoint of a run"
    torch.save([1], folder.path / "weights.pt")
    assert refusal(folder.path) == "/weights.pt: holds list, not a state dict"


def test_the_weights_of_another_run(folder):
    other = Classifier(replace(RUN, attention=None))
    torch.save({"state_dict": other.state_dict()}, folder.checkpoint)
    said = refusal(folder.path)
    assert said == (
        f"/checkpoints/last.ckpt: not the weights of run {RUN.key}: 44 differences, "
        "missing  layer1.attention.channel.fc0.weight  (1, 4)"
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda state: {3: torch.ones(2), **state}, "1 differences, unknown  3  (2,)"),
        (lambda state: state | {"fc.bias": state["fc.bias"].to("meta")}, "a tensor of another kind"),
        (lambda state: state | {"fc.bias": state["fc.bias"] * 1j}, "a tensor of another kind"),
    ],
    ids=["numbers for names", "meta", "complex"],
)
def test_what_is_no_state_dict_is_one_line(folder, spoil, said):
    _, network = load_network(folder.path)
    state = spoil(network.state_dict())
    said = said if said.startswith("1 ") else f"1 differences, shape    fc.bias  {said}, wanted (10,)"
    told = f"not the weights of run {RUN.key}: {said}"
    torch.save({"state_dict": state}, folder.checkpoint)
    assert refusal(folder.path) == f"/checkpoints/last.ckpt: {told}"
    torch.save(state, folder.path / "weights.pt")
    assert refusal(folder.path) == f"/weights.pt: {told}"


def repacked(path, *, compression, copies=1):
    """Write an archive's parts again as torch.save does not; `copies` entries of each share its bytes."""
    with zipfile.ZipFile(path) as old:
        parts = {part.filename: old.read(part) for part in old.infolist()}
    with zipfile.ZipFile(path, "w", compression) as new:
        for name, data in parts.items():
            new.writestr(name, data)
        new.filelist = new.filelist * copies


@pytest.mark.parametrize(
    "how", [{"compression": zipfile.ZIP_DEFLATED}, {"compression": zipfile.ZIP_STORED, "copies": 9}]
)
def test_an_archive_that_grows_when_it_is_read_is_refused_unread(folder, how):
    torch.save({"state_dict": {"fc.bias": torch.zeros(2**26)}}, folder.checkpoint)
    repacked(folder.checkpoint, **how)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert refusal(folder.path) == (
        "/checkpoints/last.ckpt: refused: it is compressed, as torch.save writes none; save it again with torch.save"
    )
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < folder.checkpoint.stat().st_size + 2**26, "not the 256 MiB that are in it"
    assert damage(folder.checkpoint) == "it is compressed, as torch.save writes none"


def test_a_model_folder_that_cannot_be_written(trained, tmp_path):
    run, network = load_network(trained)
    (tmp_path / "file").write_text("")
    with pytest.raises(FolderError, match="cannot make this run folder"):
        save_model(tmp_path / "file" / "model", run, network)
