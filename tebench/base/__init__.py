"""What every room stands on: errors, files on disk, failures on record, the version."""
