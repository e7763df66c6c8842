"""Images with label maps, and which image is which."""
