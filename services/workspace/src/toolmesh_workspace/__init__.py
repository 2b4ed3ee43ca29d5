"""Keeps immutable snapshots of code for the tools to read."""
