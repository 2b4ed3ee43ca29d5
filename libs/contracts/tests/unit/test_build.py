"""The build: from protos to stubs and a descriptor set."""

import subprocess
import sys
from pathlib import Path

import pytest

from toolmesh_contracts.build import DESCRIPTOR_SET, BuildError, build, main
from toolmesh_contracts.contract import Contract

REPOSITORY = Path(__file__).parents[4]

PARROT = """\
syntax = "proto3";
package toolmesh.parrot.v1;
import "google/protobuf/duration.proto";
import "toolmesh/options/v1/options.proto";
service ParrotService {
  rpc Say(SayRequest) returns (SayResponse) {
    option (toolmesh.options.v1.policy) = {
      scope: "parrot:use" timeout: {seconds: 5} side_effect: SIDE_EFFECT_READ
    };
  }
}
message SayRequest { string text = 1; }
message SayResponse {}
"""


@pytest.fixture
def proto(tmp_path: Path) -> Path:
    """A folder with the options and one service's proto."""
    folder = tmp_path / "proto"
    options = folder / "toolmesh/options/v1/options.proto"
    options.parent.mkdir(parents=True)
    options.write_bytes((REPOSITORY / "proto/toolmesh/options/v1/options.proto").read_bytes())
    source = folder / "toolmesh/parrot/v1/parrot_service.proto"
    source.parent.mkdir(parents=True)
    source.write_text(PARROT)
    return folder


@pytest.fixture
def genproto(tmp_path: Path) -> Path:
    """The folder that is built into."""
    folder = tmp_path / "genproto"
    folder.mkdir()
    return folder


def parrot_proto(proto: Path) -> Path:
    """The proto that the tests change."""
    return proto / "toolmesh/parrot/v1/parrot_service.proto"


def snapshot(folder: Path) -> dict[Path, tuple[bytes, int]]:
    """Content and time of every file below a folder."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_build_makes_stubs_types_and_a_descriptor_set(proto: Path, genproto: Path) -> None:
    """The generated code imports in a fresh interpreter, and the contract is complete."""
    build(proto=proto, genproto=genproto)
    program = (
        "from toolmesh.parrot.v1 import parrot_service_pb2, parrot_service_pb2_grpc\n"
        "assert parrot_service_pb2_grpc.ParrotServiceStub\n"
        "print(parrot_service_pb2.SayRequest(text='hi').text)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(genproto / "src")},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "hi\n"
    package = genproto / "src/toolmesh"
    assert (package / "py.typed").exists()
    assert (package / "parrot/v1/parrot_service_pb2.pyi").exists()
    assert (package / "parrot/v1/parrot_service_pb2_grpc.pyi").exists()
    contract = Contract.load(package / DESCRIPTOR_SET)
    assert [method.name for method in contract.methods] == ["Say"]
    assert (genproto / "include/google/api/annotations.proto").exists()
    assert {path.name for path in genproto.iterdir()} == {"src", "include"}
    # So that the gateway can write the details of errors as JSON.
    assert b"google/rpc/error_details.proto" in contract.descriptor_set


def test_a_second_build_touches_only_what_changed(proto: Path, genproto: Path) -> None:
    """Unchanged stubs keep their times, new ones appear, and those of a removed proto go."""
    build(proto=proto, genproto=genproto)
    before = snapshot(genproto / "src")
    build(proto=proto, genproto=genproto)
    assert snapshot(genproto / "src") == before

    parrot_proto(proto).rename(parrot_proto(proto).with_name("bird_service.proto"))
    build(proto=proto, genproto=genproto)
    after = snapshot(genproto / "src")
    stubs = genproto / "src/toolmesh/parrot/v1"
    assert not (stubs / "parrot_service_pb2.py").exists()
    assert (stubs / "bird_service_pb2.py").exists()
    options = genproto / "src/toolmesh/options/v1/options_pb2.py"
    assert after[options] == before[options]


WITHOUT_POLICY = (
    PARROT.partition(" {\n    option")[0] + ";\n" + PARROT[PARROT.index("}\nmessage") :]
)
GARBLED = PARROT.replace("string text", "text")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (WITHOUT_POLICY, "/toolmesh.parrot.v1.ParrotService/Say has no policy: set option"),
        (GARBLED, "parrot_service.proto:12:"),
    ],
)
def test_a_failed_build_leaves_the_earlier_stubs_alone(
    proto: Path, genproto: Path, text: str, words: str
) -> None:
    """The message says where and what, and nothing that was generated before changes."""
    build(proto=proto, genproto=genproto)
    before = snapshot(genproto / "src")
    parrot_proto(proto).write_text(text)

    with pytest.raises(BuildError) as caught:
        build(proto=proto, genproto=genproto)

    assert words in str(caught.value)
    assert "Traceback" not in str(caught.value)
    assert snapshot(genproto / "src") == before
    assert {path.name for path in genproto.iterdir()} == {"src", "include"}


def test_a_folder_without_protos_is_refused(tmp_path: Path, genproto: Path) -> None:
    """A wrong path is told, not built."""
    with pytest.raises(BuildError, match=r"has no \.proto file"):
        build(proto=tmp_path / "nothing", genproto=genproto)


def test_the_command_tells_by_its_exit_code(
    proto: Path, genproto: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """0 when it was built; else 1 and the reason on stderr, without a stack trace."""
    arguments = ["--proto", str(proto), "--genproto", str(genproto)]
    assert main(arguments) == 0
    assert capsys.readouterr().err == ""

    parrot_proto(proto).write_text(PARROT.replace("timeout: {seconds: 5}", ""))
    assert main(arguments) == 1
    assert capsys.readouterr().err == (
        "/toolmesh.parrot.v1.ParrotService/Say: its policy needs a timeout\n"
    )
