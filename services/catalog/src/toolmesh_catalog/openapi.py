"""The OpenAPI 3.1 document of the mesh's HTTP API."""

import re
from typing import Any

from google.protobuf.descriptor import Descriptor

from toolmesh_contracts.contract import Contract, HttpRule, Method
from toolmesh_contracts.json_schema import Schema, SchemaWriter

_RAW = "google.api.HttpBody"
_ERROR = "google.rpc.Status"
_ERROR_DETAILS = (
    "google.rpc.ErrorInfo",
    "google.rpc.BadRequest",
    "google.rpc.RetryInfo",
    "google.rpc.QuotaFailure",
    "google.rpc.RequestInfo",
)
_PATH_FIELD = re.compile(r"\{([a-z0-9_.]+)(?:=[^}]*)?\}")


def openapi_document(contract: Contract, *, version: str) -> Schema:
    """Describes every HTTP rule of the contract.

    Args:
        version: the version of the API's description.
    """
    schemas = SchemaWriter(contract.comments, reference="#/components/schemas/")
    paths: dict[str, dict[str, Schema]] = {}
    for method in contract.methods:
        for number, rule in enumerate(method.http):
            path = _path(method, rule)
            operation = _operation(method, rule, schemas, number)
            paths.setdefault(path, {})[rule.verb.lower()] = operation
    for name in (_ERROR, *_ERROR_DETAILS):
        schemas.refer(contract.message(name))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Toolmesh",
            "version": version,
            "summary": "The tools that coding agents need, behind one secured door.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.definitions.items())),
            "securitySchemes": {
                "accessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
        },
        "tags": [{"name": service} for service in contract.services],
    }


def _operation(method: Method, rule: HttpRule, schemas: SchemaWriter, number: int) -> Schema:
    policy = method.policy
    service = method.path.split("/")[1].rpartition(".")[2]
    operation: Schema = {
        "operationId": f"{service}_{method.name}" + (f"_{number}" if number else ""),
        "tags": [method.service],
        "summary": method.comment.partition(". ")[0].rstrip("."),
        "description": method.comment,
        "parameters": _parameters(method, rule, schemas),
        "responses": {
            "200": {"description": "The answer.", "content": _answer(method, rule, schemas)},
            "default": {
                "description": "The call failed.",
                "content": _json({"$ref": f"#/components/schemas/{_ERROR}"}),
            },
        },
        "security": [] if policy.public else [{"accessToken": []}, {"apiKey": []}],
        "x-toolmesh-side-effect": policy.side_effect.name,
    }
    if policy.scope:
        operation["x-toolmesh-scope"] = policy.scope
    if body := _body(method, rule, schemas):
        operation["requestBody"] = body
    return operation


def _path(method: Method, rule: HttpRule) -> str:
    return _PATH_FIELD.sub(lambda found: f"{{{_json_name(method, found[1])}}}", rule.path)


def _parameters(method: Method, rule: HttpRule, schemas: SchemaWriter) -> list[Schema]:
    in_path = set(_PATH_FIELD.findall(rule.path))
    parameters: list[Schema] = []
    for field in method.input.fields:
        if field.name in in_path:
            place = {"in": "path", "required": True}
        elif rule.body or field.message_type is not None:
            continue
        else:
            place = {"in": "query"}
        schema = schemas.field(field)
        description = schema.pop("description", "")
        parameters.append(
            {"name": field.json_name, **place, "description": description, "schema": schema}
        )
    return parameters


def _body(method: Method, rule: HttpRule, schemas: SchemaWriter) -> Schema | None:
    if not rule.body:
        return None
    if rule.body != "*":
        field = method.input.fields_by_name[rule.body]
        if field.message_type is not None and field.message_type.full_name == _RAW:
            return {"required": True, "content": {"application/octet-stream": {}}}
        return {"required": True, "content": _json(schemas.field(field))}
    schema = schemas.message(method.input)
    for name in _PATH_FIELD.findall(rule.path):
        json_name = _json_name(method, name)
        del schema["properties"][json_name]
        if json_name in schema.get("required", []):
            schema["required"].remove(json_name)
    return {"required": bool(schema.get("required")), "content": _json(schema)}


def _answer(method: Method, rule: HttpRule, schemas: SchemaWriter) -> Schema:
    output: Descriptor = method.output
    if rule.response_body:
        field = method.output.fields_by_name[rule.response_body]
        if field.message_type is None:
            return _json(schemas.field(field))
        output = field.message_type
    if output.full_name == _RAW:
        return {"application/json": {}}
    schema = schemas.refer(output)
    if method.server_streaming:
        return {
            "text/event-stream": {
                "schema": {"type": "string", "description": "One answer an event."}
            }
        }
    return _json(schema)


def _json(schema: Schema) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _json_name(method: Method, field: str) -> str:
    return method.input.fields_by_name[field].json_name
