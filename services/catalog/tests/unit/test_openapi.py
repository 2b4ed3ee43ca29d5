"""The OpenAPI document says what the protos say."""

import pytest
from openapi_spec_validator import validate

from toolmesh_catalog.openapi import openapi_document
from toolmesh_contracts.contract import Contract
from toolmesh_contracts.json_schema import Schema


@pytest.fixture(scope="module")
def contract() -> Contract:
    """The mesh's own contract."""
    return Contract.load()


@pytest.fixture(scope="module")
def document(contract: Contract) -> Schema:
    """The document of the mesh's own contract."""
    return openapi_document(contract, version="1.2.3")


def test_document_is_valid_openapi(document: Schema) -> None:
    """The document passes the validator of OpenAPI 3.1."""
    validate(document)
    assert document["info"]["version"] == "1.2.3"


def test_every_http_rule_is_an_operation(contract: Contract, document: Schema) -> None:
    """There is one operation for each HTTP rule, and operation ids are unique."""
    operations = [op for path in document["paths"].values() for op in path.values()]
    assert len(operations) == sum(len(method.http) for method in contract.methods)
    assert len({operation["operationId"] for operation in operations}) == len(operations)


def test_operation_tells_access(document: Schema) -> None:
    """A public method needs no credential; others say their scope and take a token or a key."""
    assert document["paths"]["/v1/tokens:exchange"]["post"]["security"] == []
    push = document["paths"]["/v1/repomap:map"]["post"]
    assert push["security"] == [{"accessToken": []}, {"apiKey": []}]
    assert push["x-toolmesh-scope"] == "repomap:read"


def test_path_and_query_parameters(document: Schema) -> None:
    """Path fields are path parameters, the other fields of a GET query parameters, by JSON name."""
    manifest = document["paths"]["/v1/workspaces/{workspace}/manifest"]["get"]
    assert [(p["name"], p["in"]) for p in manifest["parameters"]] == [
        ("workspace", "path"),
        ("snapshot", "query"),
    ]
    keys = document["paths"]["/v1/apiKeys"]["get"]
    assert [p["name"] for p in keys["parameters"]] == ["pageSize", "pageToken", "subject"]


def test_body_leaves_out_path_fields(document: Schema) -> None:
    """What stands in the path does not stand in the body again."""
    revoke = document["paths"]["/v1/apiKeys/{id}:revoke"]["post"]
    assert revoke["requestBody"]["content"]["application/json"]["schema"]["properties"] == {}
    assert [p["name"] for p in revoke["parameters"]] == ["id"]


def test_raw_and_streamed_bodies(document: Schema) -> None:
    """A raw upload is octets, a raw answer plain JSON, a stream server-sent events."""
    paths = document["paths"]
    upload = paths["/v1/workspaces/{workspace}:upload"]["post"]
    assert list(upload["requestBody"]["content"]) == ["application/octet-stream"]
    jwks = paths["/.well-known/jwks.json"]["get"]["responses"]["200"]["content"]
    assert jwks == {"application/json": {}}
    manifest = paths["/v1/workspaces/{workspace}/manifest"]["get"]["responses"]["200"]["content"]
    assert list(manifest) == ["text/event-stream"]


def test_errors_are_google_rpc_status(document: Schema) -> None:
    """Every operation states the one form of errors, and the details are described."""
    schemas = document["components"]["schemas"]
    assert {"google.rpc.Status", "google.rpc.ErrorInfo", "google.rpc.BadRequest"} <= set(schemas)
    for path in document["paths"].values():
        for operation in path.values():
            failed = operation["responses"]["default"]["content"]["application/json"]["schema"]
            assert failed == {"$ref": "#/components/schemas/google.rpc.Status"}
