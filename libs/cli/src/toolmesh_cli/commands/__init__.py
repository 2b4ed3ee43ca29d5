"""The commands that are written by hand, each loaded when it is first used."""
