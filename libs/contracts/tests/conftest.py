"""Compiles small protos for the tests of this package."""

import textwrap
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from grpc_tools import protoc

from toolmesh_contracts.build import collect_google_protos
from toolmesh_contracts.comments import Comments

REPOSITORY = Path(__file__).parents[3]

_HEAD = """\
syntax = "proto3";
package toolmesh.parrot.v1;
import "google/api/annotations.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "toolmesh/options/v1/options.proto";
"""


@pytest.fixture(scope="session")
def include(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with Google's protos and the mesh's options."""
    folder = tmp_path_factory.mktemp("include")
    collect_google_protos(folder)
    options = folder / "toolmesh/options/v1/options.proto"
    options.parent.mkdir(parents=True)
    options.write_bytes((REPOSITORY / "proto/toolmesh/options/v1/options.proto").read_bytes())
    return folder


@pytest.fixture
def compile_proto(tmp_path: Path, include: Path) -> Callable[[str], bytes]:
    """Compiles the body of a proto file, of package `toolmesh.parrot.v1`, to a descriptor set.

    A body that begins with `syntax` is a whole file.
    """

    def compile_proto(body: str) -> bytes:
        body = textwrap.dedent(body)
        source = tmp_path / "parrot.proto"
        source.write_text(body if body.startswith("syntax") else _HEAD + body)
        out = tmp_path / "parrot.binpb"
        bundled = files("grpc_tools").joinpath("_proto")
        code = protoc.main(
            [
                "protoc",
                f"--proto_path={tmp_path}",
                f"--proto_path={include}",
                f"--proto_path={bundled}",
                f"--descriptor_set_out={out}",
                "--include_imports",
                "--include_source_info",
                str(source),
            ]
        )
        assert code == 0
        return out.read_bytes()

    return compile_proto


@pytest.fixture
def compile_messages(
    compile_proto: Callable[[str], bytes],
) -> Callable[[str], tuple[dict[str, type[Message]], Comments]]:
    """Compiles messages; returns their classes by name, and their comments."""

    def compile_messages(body: str) -> tuple[dict[str, type[Message]], Comments]:
        parsed = descriptor_pb2.FileDescriptorSet.FromString(compile_proto(body))
        pool = descriptor_pool.DescriptorPool()
        for file in parsed.file:
            pool.Add(file)
        found = pool.FindFileByName("parrot.proto")
        classes = {
            name: message_factory.GetMessageClass(descriptor)
            for name, descriptor in found.message_types_by_name.items()
        }
        return classes, Comments(parsed.file)

    return compile_messages
