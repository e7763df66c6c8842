"""The command line: main, options, sweeps; one file a job in jobs/."""
