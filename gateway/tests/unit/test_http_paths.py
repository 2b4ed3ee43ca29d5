"""HTTP path templates."""

import re

import pytest

from toolmesh_gateway.http_paths import is_literal, lua_pattern, rename_variables, template_regex


@pytest.mark.parametrize(
    ("template", "matched", "unmatched"),
    [
        ("/v1/echo:say", ["/v1/echo:say"], ["/v1/echo", "/v1/echo:says", "/v1/echoXsay"]),
        ("/v1/{a}/x", ["/v1/b/x"], ["/v1//x", "/v1/b/c/x", "/v1/b/x/"]),
        ("/v1/{a}:do", ["/v1/b:do"], ["/v1/b:undo", "/v1/b", "/v1/b:c:do"]),
        ("/v1/{a=x/*}/y", ["/v1/x/b/y"], ["/v1/b/y", "/v1/x/b/c/y"]),
        ("/v1/{a=**}", ["/v1/b/c", "/v1/"], ["/v2/b"]),
        ("/.well-known/jwks.json", ["/.well-known/jwks.json"], ["/xwell-known/jwksxjson"]),
    ],
)
def test_regex(template: str, matched: list[str], unmatched: list[str]) -> None:
    """The expression matches what the template does, and no more."""
    regex = re.compile(template_regex(template))
    assert all(regex.fullmatch(path) for path in matched)
    assert not any(regex.fullmatch(path) for path in unmatched)


@pytest.mark.parametrize(
    ("template", "pattern"),
    [
        ("/v1/{a}:do", "^/v1/[^/:]+:do$"),
        ("/v1/a-b.c/{d=x/*}", "^/v1/a%-b%.c/x/[^/:]+$"),
        ("/{a=**}", "^/.*$"),
    ],
)
def test_lua_pattern(template: str, pattern: str) -> None:
    """The same as Lua has it."""
    assert lua_pattern(template) == pattern


def test_literal() -> None:
    """A template without variables is a path."""
    assert is_literal("/v1/echo:say")
    assert not is_literal("/v1/{a}")
    assert not is_literal("/v1/*")


def test_renamed_variables() -> None:
    """Names change, patterns stay."""
    renamed = rename_variables("/v1/{a_b}/{c=x/*}:do", str.upper)
    assert renamed == "/v1/{A_B}/{C=x/*}:do"
