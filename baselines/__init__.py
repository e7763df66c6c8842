"""Rival metrics and probes, one file each, registered as a third party would register its own."""
