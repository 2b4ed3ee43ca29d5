"""What the mesh can do and how it is: tools, MCP's list, OpenAPI, status."""
