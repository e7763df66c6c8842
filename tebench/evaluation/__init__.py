"""Scores against ground truth: pure functions on pandas frames and arrays.

`groundtruth.read` checks the rows, `evaluate.evaluate` correlates, `evaluate.points` feeds the figures,
`reliability.table` judges the tasks, `compare.rank_groups` and `influence.influence` qualify the result.
"""
