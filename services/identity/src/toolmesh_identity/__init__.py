"""Who is calling: API keys, roles, access tokens and the keys to verify them."""
