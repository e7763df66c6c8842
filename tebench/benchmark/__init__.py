"""What a configuration names: benchmark, local files, leakage, and the grid of its cells."""
