"""Fine-tuning, which gives the rows of ground truth: protocol, training, runs."""
