"""The configuration follows from the contract, method by method."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from toolmesh_contracts.contract import Contract, Method, SideEffect
from toolmesh_gateway.__main__ import main
from toolmesh_gateway.access_log import access_logs
from toolmesh_gateway.authorization import access_name, authorization
from toolmesh_gateway.clusters import clusters
from toolmesh_gateway.config import render, to_yaml
from toolmesh_gateway.enum_names import script as refusals_script
from toolmesh_gateway.listener import http_filters
from toolmesh_gateway.refusals import refusals
from toolmesh_gateway.routes import route_configuration
from toolmesh_gateway.settings import GatewaySettings
from toolmesh_gateway.strict_json import script
from toolmesh_gateway.terms import seconds
from toolmesh_gateway.transcoding import mcp_bridge, transcoder, without_source_info


@pytest.fixture(scope="session")
def routes(echo_contract: Contract) -> dict[str, Any]:
    """The routes by name."""
    host = route_configuration(echo_contract.methods, GatewaySettings())["virtual_hosts"][0]
    return {route["name"]: route for route in host["routes"]}


def _names(contract: Contract, settings: GatewaySettings) -> list[str]:
    return [filter_["name"] for filter_ in http_filters(contract, settings)]


def test_every_method_has_a_route(echo_contract: Contract, routes: dict[str, Any]) -> None:
    """A method is routed by its exact path to its service, with its own timeout."""
    for method in echo_contract.methods:
        route = routes[method.path]
        assert route["match"] == {"path": method.path}
        assert route["route"]["cluster"] == method.service
        assert route["route"]["timeout"] == seconds(method.policy.timeout_seconds)


def test_only_reads_are_retried(echo_contract: Contract, routes: dict[str, Any]) -> None:
    """What changes something is never sent twice."""
    for method in echo_contract.methods:
        retried = "retry_policy" in routes[method.path]["route"]
        assert retried == (method.policy.side_effect is SideEffect.READ)


def test_every_method_has_one_rule_of_access(echo_contract: Contract) -> None:
    """Each method is in the policy of its scope and in no other; no policy is for all paths."""
    policies = authorization(echo_contract)["typed_config"]["rules"]["policies"]
    allowed = {
        (name, permission["url_path"]["path"]["exact"])
        for name, policy in policies.items()
        for permission in policy["permissions"]
    }
    assert allowed == {(access_name(m), m.path) for m in echo_contract.methods}


def test_only_public_methods_are_for_anyone(echo_contract: Contract) -> None:
    """The principal "any" stands in one policy, and that is of the public methods."""
    policies = authorization(echo_contract)["typed_config"]["rules"]["policies"]
    open_ = [name for name, policy in policies.items() if {"any": True} in policy["principals"]]
    assert open_ == ["public"]


def test_order_of_filters(echo_contract: Contract) -> None:
    """Who calls is known before what is asked is read, and decided on before it is sent on."""
    settings = GatewaySettings(gateway_cors_origins=("https://console.example",))
    assert [name.rpartition(".")[2] for name in _names(echo_contract, settings)] == [
        "health_check/healthz",
        "health_check/readyz",
        "cors",
        "grpc_web",
        "browser_token",
        "limit_key_checks",
        "ext_authz",
        "jwt_authn",
        "limit_callers",
        "mcp_depth",
        "mcp_structured",
        "set_metadata",
        "mcp_json_rest_bridge",
        "refusals",
        "body_size_limit",
        "strict_json",
        "grpc_json_transcoder",
        "rbac",
        "router",
    ]


def test_filters_are_left_out_by_their_names(
    echo_contract: Contract, routes: dict[str, Any]
) -> None:
    """Envoy would not tell of a name that no filter has; requests with a key go by them all."""
    names = set(_names(echo_contract, GatewaySettings()))
    left_out = {
        name: set(route.get("typed_per_filter_config", {})) - {"envoy.filters.http.rbac"}
        for name, route in routes.items()
    }
    assert set().union(*left_out.values()) <= names
    assert not left_out["key in authorization"] | left_out["key in x-api-key"]
    assert "toolmesh.strict_json" not in left_out["mcp"] | left_out["before transcoding"]


def test_parts_can_be_left_out(echo_contract: Contract) -> None:
    """Without MCP and without a rate limit their filters are gone."""
    names = _names(echo_contract, GatewaySettings(gateway_mcp=False, gateway_rate_limits=False))
    assert not [name for name in names if "mcp" in name or "limit_" in name]


def test_every_tool_is_in_mcp(echo_contract: Contract) -> None:
    """Each tool has its HTTP form, with path variables under the names that arguments have."""
    wrapped = mcp_bridge(echo_contract, GatewaySettings())["typed_config"]["extension_config"]
    tools = wrapped["typed_config"]["tool_config"]["tools"]
    assert {tool["name"] for tool in tools} == {m.tool.name for m in echo_contract.tools if m.tool}
    rules = {tool["name"]: tool["http_rule"] for tool in tools}
    assert rules["echo_say_to"] == {"post": "/v1/echo/{roomName}:say", "body": "*"}


def test_transcoder_knows_every_service(echo_contract: Contract) -> None:
    """The descriptors are there, without comments."""
    config = transcoder(echo_contract, GatewaySettings())["typed_config"]
    assert "toolmesh.echo.v1.EchoService" in config["services"]
    assert len(config["services"]) == len({m.path.split("/")[1] for m in echo_contract.methods})
    stripped = without_source_info(echo_contract.descriptor_set)
    assert config["proto_descriptor_bin"] == stripped
    assert len(stripped) < len(echo_contract.descriptor_set)


def test_strict_json_knows_every_body(echo_contract: Contract) -> None:
    """Each method with a JSON body is in the tables; raw bodies are not."""
    text = script(echo_contract)
    assert '["POST /v1/echo:say"]=' in text
    assert '{"POST","^/v1/echo/[^/:]+:say$",' in text
    assert ":upload" not in text.split("\n", 1)[0]
    assert '["text_to_say"]=0,["textToSay"]=0' in text


def test_refusals_know_every_enum(echo_contract: Contract) -> None:
    """The enums that a request may have are in the table, without what nobody chooses."""
    head = refusals_script(echo_contract).split("\n", 1)[0]
    assert '["toolmesh.echo.v1.Mood"]="MOOD_GLAD, MOOD_SAD"' in head
    assert '["toolmesh.repomap.v1.MapView"]="MAP_VIEW_TEXT, MAP_VIEW_STRUCTURED"' in head
    assert "UNSPECIFIED" not in head


def test_each_scope_is_named_in_its_refusal(echo_contract: Contract) -> None:
    """Whoever lacks a scope is told which."""
    named = {refusal.metadata["scope"] for refusal in refusals(echo_contract) if refusal.metadata}
    assert named == set(echo_contract.scopes)


@pytest.mark.parametrize(
    ("pattern", "kind", "where"),
    [
        ("unix:{service}.sock", "STATIC", {"pipe": {"path": "echo.sock"}}),
        (
            "dns:///{service}.mesh:50051",
            "envoy.clusters.dns",
            {"socket_address": {"address": "echo.mesh", "port_value": 50051}},
        ),
        (
            "{service}:50051",
            "envoy.clusters.dns",
            {"socket_address": {"address": "echo", "port_value": 50051}},
        ),
    ],
)
def test_addresses(pattern: str, kind: str, where: dict[str, Any], echo_contract: Contract) -> None:
    """A service is found by the pattern, on one machine and in a cluster."""
    found = {c["name"]: c for c in clusters(echo_contract.services, _settings(pattern))}
    kind_of = found["echo"].get("type") or found["echo"]["cluster_type"]["name"]
    assert kind_of == kind
    endpoints = found["echo"]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert [endpoint["endpoint"]["address"] for endpoint in endpoints] == [where]


@pytest.mark.parametrize(("listens", "reached"), [("0.0.0.0", "127.0.0.1"), ("::", "::1")])
def test_own_listener_is_reached(listens: str, reached: str, echo_contract: Contract) -> None:
    """The keys are fetched by loopback where the gateway listens everywhere."""
    settings = GatewaySettings(gateway_address=listens)
    own = {c["name"]: c for c in clusters(echo_contract.services, settings)}["gateway"]
    endpoint = own["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    assert endpoint["address"]["socket_address"] == {"address": reached, "port_value": 8080}


def test_access_logs_can_be_off(echo_contract: Contract) -> None:
    """No file, no line; no audit, no delivery and no cluster for it."""
    off = GatewaySettings(gateway_access_log="", gateway_audit=False)
    assert access_logs(off) == []
    assert len(access_logs(GatewaySettings(gateway_access_log=""))) == 1
    # One for calls without and one for calls with a credential where it does not belong.
    assert len(access_logs(GatewaySettings(gateway_audit=False))) == 2
    assert "audit-log" not in {cluster["name"] for cluster in clusters(echo_contract.services, off)}


def test_yaml_is_the_same_config(echo_contract: Contract) -> None:
    """What is written is what was built, without references between its parts."""
    config = render(echo_contract, GatewaySettings(otlp_endpoint="localhost:4317"))
    text = to_yaml(config)
    assert yaml.safe_load(text)["static_resources"]["clusters"] == [
        *config["static_resources"]["clusters"]
    ]
    assert "&id" not in text


def test_render_is_repeatable(echo_contract: Contract) -> None:
    """The same contract and settings give the same bytes."""
    first, second = (to_yaml(render(echo_contract, GatewaySettings())) for _ in range(2))
    assert first == second


def test_command(echo_stubs: Path, tmp_path: Path) -> None:
    """The command writes the file, for a descriptor set that it is given."""
    out = tmp_path / "envoy.yaml"
    descriptors = echo_stubs / "toolmesh" / "descriptors.binpb"
    assert main(["render", "--out", str(out), "--descriptors", str(descriptors)]) == 0
    assert "toolmesh.echo.v1.EchoService/Say" in out.read_text()


def test_access_of_a_method(echo_contract: Contract) -> None:
    """A method's access is its scope, or one of the two words for having none."""
    methods: dict[str, Method] = {method.name: method for method in echo_contract.methods}
    assert access_name(methods["Say"]) == "echo:use"
    assert access_name(methods["Whisper"]) == "authenticated"
    assert access_name(methods["Ping"]) == "public"


def _settings(pattern: str) -> GatewaySettings:
    return GatewaySettings(address_pattern=pattern)
