"""Torch modules that the spaces build."""
