"""Transferability metrics: registry, parameters, presets, common checks, moments; the topology family in topology/."""
