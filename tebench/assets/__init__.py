"""Pinned packages, fetched and verified: the only room that uses the network."""
