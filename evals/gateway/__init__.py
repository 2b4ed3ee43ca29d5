"""Measures requests a second and latency at every door of the mesh, beside two peers."""
