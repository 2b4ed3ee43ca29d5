"""Measures the repository map beside Aider's: how fast it is, and how good."""
