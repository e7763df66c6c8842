"""One sample of voxels a task, every encoder read at those voxels, the feature cache."""

VERSION = 1  # raise when rows, roles or patches would reach a metric otherwise; scores are then computed again
