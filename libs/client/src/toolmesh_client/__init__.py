"""Calls the mesh: channels, access tokens kept fresh, calls by descriptor."""
