"""A checkpoint that somebody else has written names what Lightning would remove once it has resumed from it."""

from __future__ import annotations

from pytorch_lightning.callbacks import ModelCheckpoint

from lightning_bam.training.checkpoint import AtomicCheckpointIO, LastCheckpoint


def test_a_checkpoint_names_nothing_that_is_removed(tmp_path):
    (tmp_path / "victim").mkdir()
    assert not issubclass(LastCheckpoint, ModelCheckpoint)
    ours = LastCheckpoint(tmp_path / "last.ckpt")
    ours.load_state_dict({"best_model_path": f"local://{tmp_path}/victim"})
    assert ours.state_dict() == {}
    AtomicCheckpointIO().remove_checkpoint(f"local://{tmp_path}/victim")
    assert (tmp_path / "victim").exists()
