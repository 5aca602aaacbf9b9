"""Samples whose figures R has printed."""

SLEEP = (
    [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
)
"""R's data set `sleep` (Cushny and Peebles, 1905; Student, 1908): extra hours of sleep with two drugs, ten patients."""

ERRORS = ([21.48, 21.95, 20.87, 21.33, 21.60], [22.01, 22.40, 21.75, 21.52, 22.31])
"""Invented errors in percent of a row and its baseline at five seeds."""
