"""Who may call what: one rule a scope, on the gRPC path. What no rule allows is denied."""

from toolmesh_contracts.contract import Contract, Method
from toolmesh_gateway.terms import JWT_CLAIMS, JWT_FILTER, Config, extension

PUBLIC = "public"
AUTHENTICATED = "authenticated"


def authorization(contract: Contract) -> Config:
    """The RBAC filter. It stands after the transcoder, so that all doors meet the same rule."""
    groups: dict[str, list[Method]] = {}
    for method in contract.methods:
        groups.setdefault(access_name(method), []).append(method)
    policies = {
        name: {
            "permissions": [{"url_path": {"path": {"exact": m.path}}} for m in methods],
            "principals": [_principal(name)],
        }
        for name, methods in sorted(groups.items())
    }
    return extension(
        "envoy.filters.http.rbac",
        "envoy.extensions.filters.http.rbac.v3.RBAC",
        rules={"action": "ALLOW", "policies": policies},
    )


def access_name(method: Method) -> str:
    """The scope that the method asks for, or `public` or `authenticated`."""
    if method.policy.public:
        return PUBLIC
    return method.policy.scope or AUTHENTICATED


def _principal(name: str) -> Config:
    if name == PUBLIC:
        return {"any": True}
    if name == AUTHENTICATED:
        return _claim("sub", {"present_match": True})
    return _claim("scope", {"list_match": {"one_of": {"string_match": {"exact": name}}}})


def _claim(claim: str, value: Config) -> Config:
    matcher = {"filter": JWT_FILTER, "path": [{"key": JWT_CLAIMS}, {"key": claim}], "value": value}
    return {"sourced_metadata": {"metadata_matcher": matcher}}
