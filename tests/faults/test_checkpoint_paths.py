"""A checkpoint that somebody else has written names what Lightning would remove once it has gone on from it."""

from __future__ import annotations

from pytorch_lightning.callbacks import ModelCheckpoint

from lightning_bam.training.checkpoint import AtomicCheckpointIO
from lightning_bam.training.trainer import LastCheckpoint


def test_a_checkpoint_names_nothing_that_is_removed(tmp_path):
    (tmp_path / "victim").mkdir()
    made = {"dirpath": tmp_path, "filename": "last", "save_on_train_epoch_end": True}
    theirs, ours = ModelCheckpoint(**made), LastCheckpoint(**made)
    assert ours.state_key == theirs.state_key
    ours.load_state_dict(theirs.state_dict() | {"best_model_path": f"local://{tmp_path}/victim"})
    assert ours.best_model_path == ""
    assert ours.state_dict() == {}
    AtomicCheckpointIO().remove_checkpoint(f"local://{tmp_path}/victim")
    assert (tmp_path / "victim").exists()
