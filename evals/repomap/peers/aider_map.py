"""Draws maps with Aider, in Aider's own environment: a JSON request a line in, an answer out.

Nothing of Aider is changed. Its coder's own functions take names and paths from a question.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import files
from pathlib import Path
from typing import Any

import tiktoken
from aider.coders.base_coder import Coder  # ty: ignore[import-not-found]
from aider.repomap import RepoMap  # ty: ignore[import-not-found]


class _Model:
    """What the map needs of a model: it counts tokens as is done for all other maps."""

    def __init__(self) -> None:
        # LiteLLM, which Aider brings, ships the vocabulary.
        shipped = next(path for path in files("litellm") or () if path.parent.name == "tokenizers")
        os.environ["TIKTOKEN_CACHE_DIR"] = str(Path(str(shipped.locate())).parent)
        self._encoding = tiktoken.get_encoding("cl100k_base")

    def token_count(self, text: str) -> int:
        return len(self._encoding.encode_ordinary(text))


class _Files:
    """What the map needs of Aider's terminal: reading files, and complaints on stderr."""

    def read_text(self, name: str) -> str | None:
        try:
            return Path(name).read_text("utf-8")
        except (OSError, UnicodeError):
            return None

    def tool_output(self, *messages: object, **_: object) -> None:
        print(*messages, file=sys.stderr)

    tool_warning = tool_error = tool_output


class _Question(Coder):
    """Aider's coder as far as it takes a question apart; no files are in the chat."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = paths
        self.abs_read_only_fnames: set[str] = set()

    def get_all_relative_files(self) -> Sequence[str]:
        return self._paths

    get_addable_relative_files = get_all_relative_files

    def get_inchat_relative_files(self) -> Sequence[str]:
        return []

    def mentions(self, text: str) -> tuple[set[str], set[str]]:
        """The paths and the names that a text mentions."""
        paths = self.get_file_mentions(text)
        names = self.get_ident_mentions(text)
        paths.update(self.get_ident_filename_matches(names))
        return paths, names


class _RankedOnce(RepoMap):
    """Ranks once where only the budget differs from the last request: the ranking is the same."""

    _ranked: tuple[Any, Any] = (None, None)

    def get_ranked_tags(
        self, chat: Any, other: Any, paths: Any, names: Any, progress: Callable[[], None] | None
    ) -> Any:
        key = (frozenset(paths), frozenset(names))
        if self._ranked[0] != key:
            self._ranked = key, super().get_ranked_tags(chat, other, paths, names, progress)
        return self._ranked[1]


def _draw(maps: Any, model: _Model, paths: Sequence[str], request: dict[str, Any]) -> Any:
    mentioned, names = _Question(paths).mentions(request["text"]) if request["text"] else ((), ())
    maps.max_map_tokens = request["max_tokens"]
    every = [os.path.join(maps.root, path) for path in paths]
    begun = time.perf_counter()
    text = maps.get_repo_map(
        [],
        every,
        mentioned_fnames=set(mentioned),
        mentioned_idents={*names, *request["names"]},
        force_refresh=True,
    )
    seconds = time.perf_counter() - begun
    return {"map": text or "", "tokens": model.token_count(text or ""), "seconds": seconds}


def main() -> None:
    """Serves requests until its input ends; the first says where the tree is."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Aider prints what it does to stdout
    model = _Model()
    tree = json.loads(sys.stdin.readline())
    kind = _RankedOnce if tree["rank_once"] else RepoMap
    maps = kind(root=tree["root"], main_model=model, io=_Files())
    print(json.dumps("ready"), file=answers, flush=True)
    for line in sys.stdin:
        answer = _draw(maps, model, tree["paths"], json.loads(line))
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
