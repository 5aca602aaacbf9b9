"""What runs have cost, as it was measured."""
