"""The file of issuers, and what is wrong with it."""

from typing import Any

import pytest

from toolmesh_identity.external_issuers import IssuersFileError, read_issuers


@pytest.mark.parametrize(
    ("url", "more", "problem"),
    [
        ("http://login.example.com", "", "issuers.0.issuer: .*https://"),
        ("login.example.com", "", "issuers.0.issuer: .*https://"),
        ("https://a.example", 'algorithms = ["HS256"]', r"issuers.0.algorithms.0: "),
        ("https://a.example", 'algorithms = ["none"]', r"issuers.0.algorithms.0: "),
        ("https://a.example", "provison = true", "issuers.0.provison: "),
        ("https://a.example", 'role_claim = "groups"', "role_claim and roles go together"),
        ("https://a.example", 'ca_file = "/nosuch.pem"', "issuers.0.ca_file: "),
        ("https://a.example", "= ", "issuers.toml: .*line 4"),
    ],
)
def test_a_file_that_cannot_be_is_refused(
    issuers_file: Any, url: str, more: str, problem: str
) -> None:
    """With what is wrong where."""
    with pytest.raises(IssuersFileError, match=problem):
        read_issuers(issuers_file((url, more)))


def test_an_issuer_stands_in_the_file_once(issuers_file: Any) -> None:
    """And a file that is not there is no empty one."""
    path = issuers_file(("https://a.example", ""), ("https://a.example", ""))
    with pytest.raises(IssuersFileError, match="twice"):
        read_issuers(path)
    path.unlink()
    with pytest.raises(IssuersFileError, match=r"issuers\.toml: .*No such file"):
        read_issuers(path)
    assert read_issuers(None) == ()
