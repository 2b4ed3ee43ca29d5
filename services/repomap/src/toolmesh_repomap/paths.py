"""What a file's path, and its content, say about its part in the project."""

import re
from enum import IntEnum

# Conventions of the languages that maps read: test_x.py, x_test.go, x.spec.ts, XTest.java, tests/.
_TEST = re.compile(
    r"(?:^|/)(?:tests?|testing|__tests__|__mocks__|specs?|testdata|fixtures|e2e|cypress)/"
    r"|(?:^|/)src/(?:\w*[tT]est\w*)/"
    r"|(?:^|/)(?:test_[^/]*|conftest)\.pyi?$"
    r"|[._-](?:test|tests|spec|bats)\.[a-z]+$"
    r"|(?:^|/)[^/]*(?:Tests?|Spec|TestCase|IT)\.(?:java|kt|scala|swift|cs|php|groovy)$"
    r"|(?:^|/)[^/]*_(?:test|spec)\.[a-z]+$"
)
_VENDORED = re.compile(
    r"(?:^|/)(?:vendor|vendored|_vendor|third_party|third-party|thirdparty|node_modules"
    r"|bower_components|external|extern|deps|Godeps|Pods|Carthage)/"
    r"|[.-]min\.(?:js|css|mjs)$"
)
_GENERATED = re.compile(
    r"(?:_pb2(?:_grpc)?\.pyi?|\.pb\.(?:go|cc|h|gw\.go)|\.g\.(?:cs|dart)|\.designer\.cs)$"
    r"|[._](?:generated|gen)\.[a-z]+$"
    r"|(?:^|/)(?:zz_generated[^/]*|generated[._][^/]*|bindata\.go)$"
    r"|(?:^|/)(?:generated|gen|__generated__|autogen)/"
    r"|\.(?:bundle|chunk)\.js$|(?:^|/)dist/(?:.*/)?[^/]*(?:\.[cm]?js|\.d\.[cm]?ts|\.css)$"
)
_EXAMPLE = re.compile(
    r"(?:^|/)(?:examples?|samples?|demos?|docs?|docs_src|benchmarks?|bench|tutorials?)/"
)


class Role(IntEnum):
    """What a file is to its project."""

    CODE = 0
    TEST = 1
    GENERATED = 2
    VENDORED = 3
    EXAMPLE = 4


def role_of(path: str, *, is_made: bool = False) -> Role:
    """Return what the path says, by the conventions of languages and tools; CODE when nothing.

    `is_made` tells that the content looks as if a program wrote it.
    """
    if _VENDORED.search(path):
        return Role.VENDORED
    if is_made or _GENERATED.search(path):
        return Role.GENERATED
    if _TEST.search(path):
        return Role.TEST
    return Role.EXAMPLE if _EXAMPLE.search(path) else Role.CODE
