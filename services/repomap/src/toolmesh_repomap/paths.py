"""What a file's path says about its place in the project."""

import re

# Conventions of the languages that maps read: test_x.py, x_test.go, x.spec.ts, XTest.java, tests/.
_TEST = re.compile(
    r"(?:^|/)(?:tests?|testing|__tests__|specs?|testdata|fixtures|e2e)/"
    r"|(?:^|/)(?:test_[^/]*|conftest)\.py$"
    r"|[._-](?:test|tests|spec)\.[a-z]+$"
    r"|(?:Test|Tests|Spec)\.(?:java|cs|php)$"
)
_SIDE = re.compile(
    r"(?:^|/)(?:vendor|third_party|node_modules|external)/"
    r"|(?:^|/)(?:examples?|samples?|docs?|benchmarks?|bench)/"
    r"|(?:_pb2(?:_grpc)?\.pyi?|\.pb\.(?:go|cc|h)|\.g\.cs|\.generated\.[a-z]+)$"
)


def is_test(path: str) -> bool:
    """Tell whether the path is, by its language's conventions, that of a test or a test's data."""
    return _TEST.search(path) is not None


def is_side(path: str) -> bool:
    """Tell whether the file is not the project's core: vendored, generated, an example."""
    return _SIDE.search(path) is not None
