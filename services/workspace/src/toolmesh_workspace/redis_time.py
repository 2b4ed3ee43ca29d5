"""Time as Redis scripts tell it: by Redis's own clock, so that replicas agree."""

MICROS = 1_000_000
# The beginning of every script that needs the time.
NOW = "local t = redis.call('TIME'); local now = t[1] * 1000000 + t[2]\n"
