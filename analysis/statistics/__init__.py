"""Pure functions of arrays: paired differences, families of p-values, power, factorial designs, what a run may give."""
