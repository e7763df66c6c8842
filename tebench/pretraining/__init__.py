"""Self-supervised pre-training of the small encoders: recipes, sources, augmentation, methods, training."""
