"""One sample of voxels a task, every encoder read at those voxels, the feature cache."""
