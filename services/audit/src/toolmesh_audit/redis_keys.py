"""Where the log is in Redis."""

from typing import Final

HEAD: Final = "audit:head"
"""Hash: `seq`, `hash`, `time` of the newest record, and `outbox`, the last change taken."""
RECORDS: Final = "audit:records"
"""Stream: the records, each under the id `<seq>-0`."""
ANCHORS: Final = "audit:anchors"
"""Hash: day -> `<seq>:<hash>` of that day's last record."""
DAYS: Final = "audit:days"
"""Hash: `<day>:first` and `<day>:last` -> sequence numbers between which that day's events lie."""
CHECKPOINT: Final = "audit:checkpoint"
"""Hash: `seq` and `hash` of the last record that is not kept any more."""
DELIVERED: Final = "audit:delivered:"
"""Prefix of one key a delivery, there for as long as it might come again."""
