"""The whole configuration, as data and as YAML."""

import base64
from typing import Any, cast

import yaml

from toolmesh_contracts.contract import Contract
from toolmesh_gateway.clusters import clusters
from toolmesh_gateway.listener import listener
from toolmesh_gateway.settings import MIB, GatewaySettings
from toolmesh_gateway.terms import Config, address, extension

_MONITORS = "envoy.extensions.resource_monitors."


def render(contract: Contract, settings: GatewaySettings) -> Config:
    """Envoy's bootstrap configuration for the contract. Bytes stay bytes."""
    return {
        "node": {"id": "gateway", "cluster": "toolmesh"},
        "admin": {"address": address(settings.gateway_admin)},
        "static_resources": {
            "listeners": [listener(contract, settings)],
            "clusters": clusters(contract.services, settings),
        },
        "overload_manager": _overload(settings),
    }


def to_yaml(config: Config) -> str:
    """The configuration as YAML that Envoy reads: bytes as base64, keys in the order given."""
    return yaml.dump(_plain(config), Dumper=_Dumper, sort_keys=False, width=100)


class _Dumper(yaml.SafeDumper):
    """Writes out repeated parts, since Envoy's reader knows no YAML references."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in cast("Config", value).items()}
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[Any]", value)]
    return value


def _overload(settings: GatewaySettings) -> Config:
    heap = "envoy.resource_monitors.fixed_heap"
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [
            extension(
                heap,
                f"{_MONITORS}fixed_heap.v3.FixedHeapConfig",
                max_heap_size_bytes=settings.gateway_max_heap_mib * MIB,
            ),
            extension(
                "envoy.resource_monitors.global_downstream_max_connections",
                f"{_MONITORS}downstream_connections.v3.DownstreamConnectionsConfig",
                max_active_downstream_connections=settings.gateway_max_connections,
            ),
        ],
        "actions": [
            _past("envoy.overload_actions.shrink_heap", heap, 0.9),
            _past("envoy.overload_actions.stop_accepting_requests", heap, 0.95),
        ],
    }


def _past(action: str, monitor: str, threshold: float) -> Config:
    return {"name": action, "triggers": [{"name": monitor, "threshold": {"value": threshold}}]}
