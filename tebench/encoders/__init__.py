"""Frozen networks with named stages."""
