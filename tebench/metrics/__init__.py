"""Transferability metrics, pure functions of arrays: registry, parameters, presets, checks, moments."""
