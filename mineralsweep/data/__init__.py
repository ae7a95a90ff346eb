"""Photographs on disk -> catalogue -> split -> decoded arrays."""
