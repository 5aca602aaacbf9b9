"""How a run is trained: Lightning's modules and Trainer, the recorder, checkpoints."""
