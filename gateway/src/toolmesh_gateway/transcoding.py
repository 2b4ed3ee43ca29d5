"""HTTP/JSON and MCP made into gRPC, from the same descriptors that the services use."""

import re

from google.protobuf import descriptor_pb2

from toolmesh_contracts.contract import Contract, Method
from toolmesh_gateway.conditions import (
    every,
    header,
    header_matches,
    negated,
    only_where,
    response_header_matches,
)
from toolmesh_gateway.enum_names import script as refusals_script
from toolmesh_gateway.http_paths import rename_variables, template_regex
from toolmesh_gateway.scripts import lua, source
from toolmesh_gateway.settings import GatewaySettings
from toolmesh_gateway.strict_json import script as strict_json_script
from toolmesh_gateway.terms import MCP_PATH, NAMESPACE, Config, extension, service_names

# The bridge answers other verbs with a body that it then forgets to send: they pass by it.
_IS_MCP = every(header(":method", exact="POST"), header(":path", exact=MCP_PATH))
TOOL_LIST_PATH = "/v1/mcp/tools"
# Of a body that is there, but too short to be nested deep; no length is stated that is not so.
_SHORT = "[1-9][0-9]{0,2}"


def mcp_bridge(contract: Contract, settings: GatewaySettings) -> Config:
    """Answers MCP: a tool call becomes the tool's HTTP form, which then goes the way of all."""
    tools: Config = {
        "default_server_info": {"path": MCP_PATH},
        "tools": [
            {"name": method.tool.name, "http_rule": _tool_rule(method)}
            for method in contract.tools
            if method.tool
        ],
    }
    if any(rule.path == TOOL_LIST_PATH for method in contract.methods for rule in method.http):
        tools["tool_list_http_rule"] = {"get": TOOL_LIST_PATH}
    bridge = extension(
        "envoy.filters.http.mcp_json_rest_bridge",
        "envoy.extensions.filters.http.mcp_json_rest_bridge.v3.McpJsonRestBridge",
        tool_config=tools,
        max_request_body_size=settings.gateway_max_body_bytes,
        max_response_body_size=settings.gateway_max_answer_bytes,
        # `_meta.traceparent` of a tool call goes on as the header.
        trace_context_extraction={},
    )
    return only_where(_IS_MCP, bridge)


def mcp_depth() -> Config:
    """Refuses bodies that the bridge would wait for in vain, or crash on with the gateway."""
    may_be_deep = every(_IS_MCP, negated(header_matches("content-length", _SHORT)))
    return only_where(may_be_deep, lua("mcp_depth", source("mcp_depth")))


def mcp_structured() -> Config:
    """Gives a tool's answer as JSON besides the text that the bridge makes of it."""
    return only_where(_IS_MCP, lua("mcp_structured", source("mcp_structured")))


def mcp_mark() -> Config:
    """Notes that the call came by MCP, which cannot be seen any more once the bridge is past."""
    return only_where(
        _IS_MCP,
        extension(
            "envoy.filters.http.set_metadata",
            "envoy.extensions.filters.http.set_metadata.v3.Config",
            metadata=[{"metadata_namespace": NAMESPACE, "value": {"door": "mcp"}}],
        ),
    )


def body_limit(contract: Contract, settings: GatewaySettings) -> Config:
    """Bounds the request of every method that does not stream; those count for themselves."""
    limit = extension(
        "envoy.filters.http.body_size_limit",
        "envoy.extensions.filters.http.body_size_limit.v3.BodySizeLimit",
        max_request_bytes=settings.gateway_max_body_bytes,
    )
    streams = [
        path
        for method in contract.methods
        if method.client_streaming
        for path in (
            re.escape(method.path),
            *(rf"{template_regex(rule.path)}(\?.*)?" for rule in method.http),
        )
    ]
    if not streams:
        return limit
    return only_where(negated(header_matches(":path", "|".join(streams))), limit)


def strict_json(contract: Contract) -> Config:
    """Refuses JSON bodies with unknown fields, which the transcoder would silently drop."""
    has_json = every(
        header_matches(":method", "POST|PUT|PATCH"),
        negated(header("content-type", prefix="application/grpc")),
    )
    return only_where(has_json, lua("strict_json", strict_json_script(contract)))


def refusals_finished(contract: Contract) -> Config:
    """Names the field at fault and what it takes; lets MCP clients read why they were refused."""
    is_refusal = response_header_matches(":status", "40[03]")
    return only_where(is_refusal, lua("refusals", refusals_script(contract)))


def transcoder(contract: Contract, settings: GatewaySettings) -> Config:
    """Strict both ways: what the contract does not know is refused, not dropped."""
    return extension(
        "envoy.filters.http.grpc_json_transcoder",
        "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder",
        proto_descriptor_bin=without_source_info(contract.descriptor_set),
        services=service_names(contract.methods),
        convert_grpc_status=True,
        request_validation_options={
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
        # A field at its default is written all the same, so that answers have one shape.
        print_options={"always_print_primitive_fields": True, "stream_sse_style_delimited": True},
        max_request_body_size=settings.gateway_max_body_bytes,
        max_response_body_size=settings.gateway_max_answer_bytes,
    )


def without_source_info(descriptor_set: bytes) -> bytes:
    """The descriptor set without its comments, which are half of it and of no use here."""
    parsed = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set)
    for file in parsed.file:
        file.ClearField("source_code_info")
    return parsed.SerializeToString(deterministic=True)


def _tool_rule(method: Method) -> Config:
    rule = next(rule for rule in method.http if rule.verb == "POST" and rule.body == "*")
    # Arguments have JSON names, templates proto names.
    names = {field.name: field.json_name for field in method.input.fields}
    return {"post": rename_variables(rule.path, lambda name: names.get(name, name)), "body": "*"}
