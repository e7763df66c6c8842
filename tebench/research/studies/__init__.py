"""Studies of the suite's own choices on a benchmark: which stages metrics read, how many voxels they need."""
