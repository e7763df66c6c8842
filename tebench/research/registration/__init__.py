"""Prospective tests: scores that are written down before the ground truth that will judge them exists."""
