"""The configuration tree; read it top down from config.yaml."""
