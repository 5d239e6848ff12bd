"""Configs: base.py defines every field, the others change a few lines."""
