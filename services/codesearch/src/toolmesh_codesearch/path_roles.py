"""What a file's path says about how likely an answer is in it."""

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# Conventions of many languages: test_x.py, x_test.go, x.spec.ts, XTest.java, tests/.
_TEST = re.compile(
    r"(?:^|/)(?:tests?|testing|__tests__|specs?|testdata|fixtures|e2e)/"
    r"|(?:^|/)(?:test_[^/]*|conftest)\.py$"
    r"|[._-](?:test|tests|spec)\.[a-z]+$"
    r"|(?:^|/)[^/]*(?:Tests?|Spec|TestCase)\.[a-z]+$"
)
_FOREIGN = re.compile(
    r"(?:^|/)(?:vendor|vendored|_vendor|third_party|third-party|node_modules|deps|Pods)/"
    r"|[.-]min\.(?:js|css)$|(?:_pb2(?:_grpc)?\.pyi?|\.pb\.go)$|(?:^|/)(?:dist|generated)/"
)
_TEST_WEIGHT, _FOREIGN_WEIGHT = 0.75, 0.6


def path_weights(paths: Sequence[str]) -> NDArray[np.float32]:
    """Return for each path what a hit's score is multiplied by: less for tests and foreign code."""
    return np.array([_weight(path) for path in paths], dtype=np.float32)


def _weight(path: str) -> float:
    if _FOREIGN.search(path):
        return _FOREIGN_WEIGHT
    return _TEST_WEIGHT if _TEST.search(path) else 1.0
