"""What W&B's pages of a study show: its conclusions on top, its rows beside each other, and every run behind them."""
