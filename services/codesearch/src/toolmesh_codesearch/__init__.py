"""Finds code by meaning, names, exact text and regular expression."""
