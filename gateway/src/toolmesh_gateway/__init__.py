"""Derives Envoy's configuration from the contract: routes, transcoding, scopes, tools, refusals."""
