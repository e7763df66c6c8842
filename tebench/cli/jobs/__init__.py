"""One file a job: options in, one call, printing."""
