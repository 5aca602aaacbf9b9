"""The maps of `bam inspect`, from arrays made by hand."""

from __future__ import annotations

import numpy as np

from analysis.inspection.maps import figure_of
from analysis.inspection.records import Inspection


def test_the_first_and_the_last_channels_bars_are_drawn_whole():
    module = {"name": "layer1", "kind": "BAM", "channels": 5, "height": 3, "width": 2}
    arrays = {
        "images": np.zeros((1, 1, 6, 4), np.uint8),
        "0/gate": np.full((1, 3, 2), 0.5),
        "0/channel": np.array([[0.5, -1.0, 0.25, 0.0, 2.0]]),
    }
    figure = figure_of(Inspection({"images": [{"index": 7}], "modules": [module]}, arrays), 0)
    (axes,) = (axes for axes in figure.axes if axes.get_xlabel() == "channel")
    (bars,) = (found for found in axes.collections if len(found.get_segments()) == 5)
    assert [segment[1].tolist() for segment in bars.get_segments()][::4] == [[0.0, 0.5], [4.0, 2.0]]
    assert axes.get_xlim() == (-0.5, 4.5)
