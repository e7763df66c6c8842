"""From cached features to scores: requests, the score and its file, the candidate pool, cases left out, budgets."""
