"""The few things that no filter of Envoy's does, as Lua. None of it runs on a gRPC call."""

from collections.abc import Mapping, Sequence
from importlib.resources import files

from toolmesh_gateway.terms import Config, extension


def source(name: str) -> str:
    """The text of a script in the `lua` folder."""
    return files("toolmesh_gateway").joinpath("lua", f"{name}.lua").read_text()


def with_tables(name: str, tables: Mapping[str, Sequence[str]]) -> str:
    """The text of a script below the tables that it reads, each given by its rows."""
    head = "".join(f"local {table} = {{{','.join(rows)}}}\n" for table, rows in tables.items())
    return head + source(name)


def quoted(text: str) -> str:
    """A text as Lua writes it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def lua(name: str, text: str) -> Config:
    """A filter that runs a script."""
    return extension(
        f"toolmesh.{name}",
        "envoy.extensions.filters.http.lua.v3.Lua",
        default_source_code={"inline_string": text},
    )
