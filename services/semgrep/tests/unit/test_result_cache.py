"""What is found again of what was kept."""

from pathlib import Path

from toolmesh_semgrep.result_cache import ResultCache
from toolmesh_semgrep.results import FileResult, KeptFault, KeptMatch

_EVAL, _CROWD = b"eval", b"crowd"
_RULES = frozenset({_EVAL, _CROWD})


def _found(rule: bytes, count: int) -> tuple[KeptMatch, ...]:
    return tuple(
        KeptMatch(rule, 1, 1, 1, 1, place, place + 1, "", None, False, "", b"", 1)
        for place in range(count)
    )


def test_matches_of_other_rules_take_no_room(tmp_path: Path) -> None:
    """However much others find in the files, what was asked for is found again, and only that."""
    cache = ResultCache(tmp_path / "results.sqlite", max_bytes=2**25)
    fault = KeptFault(b"", "syntax error in a part of it")
    faults = (fault, KeptFault(_CROWD, "timed out"))
    found = FileResult(_found(_EVAL, 1) + _found(_CROWD, 300), faults)
    files = [bytes([number]) for number in range(8)]
    cache.put_many(_RULES, dict.fromkeys(files, found))
    # As two scans at once do, or one that did not find what was kept.
    cache.put_many(frozenset({_EVAL}), dict.fromkeys(files, FileResult(_found(_EVAL, 1))))
    kept = cache.get_many(files, [_EVAL], most_kilobytes=10)
    mine = [(frozenset({_EVAL}), FileResult(_found(_EVAL, 1), (fault,)))]
    assert kept == dict.fromkeys(files, mine)
    assert len(cache.get_many(files, _RULES, most_kilobytes=1000)) == 4
    cache.close()
