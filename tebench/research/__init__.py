"""Studies of the suite's own choices, and findings."""
