"""Data only: ground-truth rows, results, the generated page."""
