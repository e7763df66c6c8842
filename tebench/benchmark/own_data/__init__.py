"""Ranking encoders on a data set of the user's, without ground truth: what job=rank does."""
