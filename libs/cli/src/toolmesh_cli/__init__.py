"""The `toolmesh` command: runs a mesh on this machine and calls one anywhere."""
