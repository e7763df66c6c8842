"""The topology family of metrics, one file each."""
