"""Pre-training of the small encoders, self-supervised and on label maps: recipes, sources, methods, training."""
