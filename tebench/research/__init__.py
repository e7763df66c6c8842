"""Studies of the suite's own choices, the log of variants, registrations, and findings."""
