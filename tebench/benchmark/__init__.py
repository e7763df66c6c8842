"""What a configuration names: the benchmark, local files, leakage, and the grid of its scores."""
