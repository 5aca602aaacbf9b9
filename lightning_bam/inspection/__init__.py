"""What the attention modules of a trained network look at: their maps, their saturation, their receptive field.

`python -m lightning_bam.inspection` computes and writes numbers and arrays, so that a process without torch draws them.
"""
