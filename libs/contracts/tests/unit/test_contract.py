"""The contract: what a proto must state to be part of the mesh."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from toolmesh_contracts.comments import Comments
from toolmesh_contracts.contract import (
    Contract,
    ContractError,
    HttpRule,
    Policy,
    SideEffect,
    Tool,
    main,
)

Compile = Callable[[str], bytes]

POLICY = 'scope: "parrot:use" timeout: {seconds: 5} side_effect: SIDE_EFFECT_READ'
TOOL = 'tool: {name: "parrot_say" title: "Say"}'
POST = 'option (google.api.http) = {post: "/v1/parrot:say" body: "*"};'
MESSAGES = """
message SayRequest { string text = 1; int32 max_tokens = 2; }
message SayResponse {}
"""


def policy_option(policy: str) -> str:
    """The method option that states a policy."""
    return f"option (toolmesh.options.v1.policy) = {{{policy}}};"


def one_method(options: str, *, signature: str = "(SayRequest) returns (SayResponse)") -> str:
    """The body of a proto file with one method."""
    return f"service ParrotService {{ rpc Say{signature} {{ {options} }} }} {MESSAGES}"


def test_a_complete_method_is_read_as_stated(compile_proto: Compile) -> None:
    """Policy, tool, HTTP rules, messages and comment are all there."""
    contract = Contract.parse(
        compile_proto(
            """
            // Speaks.
            service ParrotService {
              // Says it again. Calling it
              // twice is safe.
              //
              // - lists
              // - stay
              rpc Say(SayRequest) returns (SayResponse) {
                option (google.api.http) = {
                  post: "/v1/parrot:say" body: "*"
                  additional_bindings { get: "/v1/parrot/{text}" response_body: "answer" }
                };
                option (toolmesh.options.v1.policy) = {
                  scope: "parrot:use"
                  timeout: {seconds: 1 nanos: 500000000}
                  side_effect: SIDE_EFFECT_DESTRUCTIVE
                  tool: {name: "parrot_say" title: "Say" open_world: true}
                };
              }
            }
            message SayRequest { string text = 1; int32 max_tokens = 2; }
            message SayResponse { string answer = 1; }
            """
        )
    )
    method = contract.by_path["/toolmesh.parrot.v1.ParrotService/Say"]

    assert contract.methods == (method,)
    assert (method.service, method.name) == ("parrot", "Say")
    assert method.policy == Policy(
        scope="parrot:use",
        public=False,
        authenticated=False,
        timeout_seconds=1.5,
        side_effect=SideEffect.DESTRUCTIVE,
        unread_seconds=None,
    )
    assert method.tool == Tool(name="parrot_say", title="Say", open_world=True)
    assert method.http == (
        HttpRule(verb="POST", path="/v1/parrot:say", body="*", response_body=""),
        HttpRule(verb="GET", path="/v1/parrot/{text}", body="", response_body="answer"),
    )
    assert method.comment == "Says it again. Calling it twice is safe.\n\n- lists\n- stay"
    assert method.input_class(text="hi").SerializeToString() == b"\x0a\x02hi"
    assert method.output_class.DESCRIPTOR.full_name == "toolmesh.parrot.v1.SayResponse"
    assert contract.services == ("parrot",)
    assert contract.scopes == ("parrot:use",)
    assert contract.tools == (method,)


def test_a_policy_says_how_long_a_streamed_answer_waits_to_be_read(compile_proto: Compile) -> None:
    """In seconds."""
    stated = policy_option(f"{POLICY} unread_timeout: {{seconds: 60 nanos: 500000000}}")
    streams = one_method(stated, signature="(SayRequest) returns (stream SayResponse)")
    (method,) = Contract.parse(compile_proto(streams)).methods

    assert method.policy.unread_seconds == 60.5


@pytest.mark.parametrize("access", ["public: true", "authenticated: true"])
def test_a_method_may_do_without_a_scope_only_explicitly(
    compile_proto: Compile, access: str
) -> None:
    """Public and authenticated are stated, and then there is no scope."""
    policy = f"{access} timeout: {{seconds: 5}} side_effect: SIDE_EFFECT_READ"
    (method,) = Contract.parse(compile_proto(one_method(policy_option(policy)))).methods

    assert method.policy.scope is None
    assert (method.policy.public, method.policy.authenticated) == (
        access.startswith("public"),
        access.startswith("auth"),
    )
    assert method.tool is None
    assert method.http == ()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("", "has no policy: set option"),
        (policy_option("timeout: {seconds: 5} side_effect: SIDE_EFFECT_READ"), "needs a scope"),
        (policy_option(POLICY.replace("parrot:use", "")), "needs a scope"),
        (policy_option(POLICY.replace('scope: "parrot:use"', "public: false")), "needs a scope"),
        (
            policy_option(POLICY.replace('scope: "parrot:use"', "authenticated: false")),
            "needs a scope",
        ),
        (policy_option(POLICY.replace("parrot:use", "parrot")), "scope 'parrot' is not"),
        (policy_option(POLICY.replace("parrot:use", "parrot:fly")), "with a verb of read, write"),
        (policy_option(POLICY.replace("parrot:use", "Parrot:use")), "scope 'Parrot:use' is not"),
        (
            policy_option(POLICY.replace("parrot:use", "parrot:use x:use")),
            "is not <service>:<verb>",
        ),
        (policy_option(POLICY.replace("timeout: {seconds: 5}", "")), "needs a timeout"),
        (policy_option(POLICY.replace("seconds: 5", "")), "needs a timeout"),
        (policy_option(POLICY.replace("seconds: 5", "seconds: -5")), "needs a timeout"),
        (policy_option(f"{POLICY} unread_timeout: {{seconds: 0}}"), "unread_timeout over 0"),
        (policy_option(f"{POLICY} unread_timeout: {{seconds: 5}}"), "an answer that streams"),
        (policy_option(POLICY.replace("side_effect: SIDE_EFFECT_READ", "")), "needs a side_effect"),
        (policy_option(f"{POLICY} {TOOL}"), "a tool needs an HTTP rule with post"),
        (
            policy_option(f"{POLICY} {TOOL}") + POST.replace("post", "put"),
            "a tool needs an HTTP rule with post",
        ),
        (
            policy_option(f"{POLICY} {TOOL}") + POST.replace('"*"', '"text"'),
            'a tool needs an HTTP rule with post and body: "\\*"',
        ),
        (policy_option(f"{POLICY} {TOOL.replace('parrot_say', 'Parrot-Say')}") + POST, "tool name"),
        (policy_option(f"{POLICY} {TOOL.replace('parrot_say', 'p' * 65)}") + POST, "tool name"),
        (policy_option(f"{POLICY} {TOOL.replace('parrot_say', '')}") + POST, "tool name ''"),
        (policy_option(f"{POLICY} {TOOL.replace('Say', '', 1)}") + POST, "the tool needs a title"),
        (
            policy_option(f"{POLICY} {TOOL}".replace('scope: "parrot:use"', "public: true")) + POST,
            "a tool cannot be public",
        ),
        (
            policy_option(POLICY)
            + POST.replace("post:", "custom: {kind: 'HEAD' path:").replace(' body: "*"', "}"),
            "HTTP rule needs get, put, post, delete or patch",
        ),
    ],
)
def test_an_incomplete_method_is_refused_by_name(
    compile_proto: Compile, options: str, words: str
) -> None:
    """The message names the method and what to do."""
    with pytest.raises(ContractError, match=words) as caught:
        Contract.parse(compile_proto(one_method(options)))

    assert str(caught.value).startswith("/toolmesh.parrot.v1.ParrotService/Say")


@pytest.mark.parametrize(
    "signature",
    [
        "(SayRequest) returns (stream SayResponse)",
        "(stream SayRequest) returns (SayResponse)",
        "(stream SayRequest) returns (stream SayResponse)",
    ],
)
def test_a_tool_cannot_stream(compile_proto: Compile, signature: str) -> None:
    """LLMs call tools with one request and one answer."""
    body = one_method(policy_option(f"{POLICY} {TOOL}") + POST, signature=signature)

    with pytest.raises(ContractError, match=r"Say: a tool must be a unary method"):
        Contract.parse(compile_proto(body))


def test_a_tool_without_a_token_budget_is_refused(compile_proto: Compile) -> None:
    """Every tool's request has max_tokens."""
    body = one_method(policy_option(f"{POLICY} {TOOL}") + POST).replace("int32 max_tokens = 2;", "")

    with pytest.raises(ContractError, match=r"Say: a tool's request needs a max_tokens field"):
        Contract.parse(compile_proto(body))


def test_a_request_with_a_rule_that_does_not_fit_is_refused(compile_proto: Compile) -> None:
    """Field rules are compiled with the contract, so a bad one never reaches a service."""
    body = one_method(policy_option(POLICY)).replace(
        "string text = 1;", "string text = 1 [(toolmesh.options.v1.rules).max = 3];"
    )

    with pytest.raises(ContractError, match=r"/Say: toolmesh\.parrot\.v1\.SayRequest\.text: min"):
        Contract.parse(compile_proto(body))


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        ('get: "/v1/x"', 'get: "/v1/x"', "GET /v1/x"),
        ('get: "/v1/x/{id}:go"', 'get: "/v1/x/{name}:go"', "GET /v1/x/{}:go"),
    ],
)
def test_two_methods_cannot_have_one_http_rule(
    compile_proto: Compile, first: str, second: str, what: str
) -> None:
    """Both methods are named."""
    http = "option (google.api.http) = {{{}}};"
    body = f"""
    service ParrotService {{
      rpc Say(SayRequest) returns (SayResponse) {{
        {http.format(first)} {policy_option(POLICY)}
      }}
      rpc Sing(SayRequest) returns (SayResponse) {{
        {http.format(second)} {policy_option(POLICY)}
      }}
    }}
    {MESSAGES}
    """
    with pytest.raises(ContractError) as caught:
        Contract.parse(compile_proto(body))

    assert str(caught.value) == (
        "/toolmesh.parrot.v1.ParrotService/Sing and "
        f"/toolmesh.parrot.v1.ParrotService/Say both are {what}"
    )


def test_two_methods_cannot_be_one_tool(compile_proto: Compile) -> None:
    """A tool's name is unique in the mesh."""
    method = policy_option(f"{POLICY} {TOOL}")
    body = f"""
    service ParrotService {{
      rpc Say(SayRequest) returns (SayResponse) {{ {POST} {method} }}
      rpc Sing(SayRequest) returns (SayResponse) {{ {POST.replace(":say", ":sing")} {method} }}
    }}
    {MESSAGES}
    """
    with pytest.raises(ContractError, match="both are tool parrot_say"):
        Contract.parse(compile_proto(body))


@pytest.mark.parametrize("package", ["parrot.v1", "toolmesh.parrot", "toolmesh.a.b.v1", ""])
def test_a_service_outside_of_the_package_scheme_is_refused(
    compile_proto: Compile, package: str
) -> None:
    """The package tells which deployable answers, so it has one form."""
    body = one_method("")
    declared = f"package {package};" if package else ""
    whole = f'syntax = "proto3"; {declared} {body}'

    with pytest.raises(ContractError, match=r"its package must be toolmesh\.<service>\.v<N>"):
        Contract.parse(compile_proto(whole))


def test_the_check_of_a_file_prints_what_is_wrong(
    compile_proto: Compile, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code tells whether a descriptor set is complete."""
    path = tmp_path / "checked.binpb"
    path.write_bytes(compile_proto(one_method(policy_option(POLICY))))
    assert main(str(path)) == 0

    path.write_bytes(compile_proto(one_method("")))
    assert main(str(path)) == 1
    assert "Say has no policy" in capsys.readouterr().err


def test_every_method_of_the_mesh_is_governed() -> None:
    """The real protos load, and each method states who may call it and for how long."""
    contract = Contract.load()

    assert {"identity", "workspace", "catalog", "repomap"} <= set(contract.services)
    for method in contract.methods:
        access = (
            method.policy.scope is not None,
            method.policy.public,
            method.policy.authenticated,
        )
        assert sum(access) == 1, method.path
        assert method.policy.timeout_seconds > 0, method.path
        assert method.comment, method.path
        assert contract.by_path[method.path] is method


def test_comments_of_all_kinds_of_things_are_found(
    compile_messages: Callable[[str], tuple[Any, Comments]],
) -> None:
    """Messages, fields, nested ones, enums and their values have their comments, reflowed."""
    _, comments = compile_messages(
        """
        // An outer
        // message.
        message Outer {
          // A field.
          string field = 1;
          // Nested.
          message Inner {
            // Deep.
            //
            // Second paragraph,
            // joined.
            string deep = 1;
            string bare = 2;
          }
          // A kind.
          enum Kind {
            // None.
            KIND_UNSPECIFIED = 0;
          }
        }
        // Top.
        enum Top {
          // Nothing.
          TOP_UNSPECIFIED = 0;
        }
        """
    )
    package = "toolmesh.parrot.v1"

    assert comments.of(f"{package}.Outer") == "An outer message."
    assert comments.of(f"{package}.Outer.field") == "A field."
    assert comments.of(f"{package}.Outer.Inner") == "Nested."
    assert comments.of(f"{package}.Outer.Inner.deep") == "Deep.\n\nSecond paragraph, joined."
    assert comments.of(f"{package}.Outer.Inner.bare") == ""
    assert comments.of(f"{package}.Outer.Kind") == "A kind."
    assert comments.of(f"{package}.Outer.KIND_UNSPECIFIED") == "None."
    assert comments.of(f"{package}.Top") == "Top."
    assert comments.of(f"{package}.TOP_UNSPECIFIED") == "Nothing."
