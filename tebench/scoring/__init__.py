"""From cached features to scores: requests, the Score and its file, the pool, cases left out, budgets."""
