"""Content-addressed code snapshots: scan a tree, push it, and read it back by digest."""
