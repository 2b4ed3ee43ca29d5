"""Reads the descriptor set: every method of the mesh with its policy, routes, rules and schemas.

The gateway, the catalog, the services and the command line all learn what a method is from here,
so a tool is described in one place only: its RPC in `proto/`.
"""
