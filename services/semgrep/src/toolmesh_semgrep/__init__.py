"""Finds code by its structure, with the Semgrep engine."""
