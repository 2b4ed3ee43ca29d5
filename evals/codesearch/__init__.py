"""Measures the search for code: how good its answers are, and how fast they come."""
