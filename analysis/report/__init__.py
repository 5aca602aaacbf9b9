"""One page that holds what studies concluded, how sure that is, and the way back to every run behind it."""
