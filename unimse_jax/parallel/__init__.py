"""Paths, meshes, shardings and processes. Knows pytrees, not models."""
