"""What is trained: attention modules, backbones, data, and one training run."""
