"""The version of this package: one place, read by `pyproject.toml` as well."""

__version__ = "0.1.0"
