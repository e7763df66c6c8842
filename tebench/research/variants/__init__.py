"""Every variant of the gradient-flow probe that was evaluated against ground truth, computed again by one command."""
