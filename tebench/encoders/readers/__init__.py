"""One reader a family of checkpoints; `families` is the table of them."""
