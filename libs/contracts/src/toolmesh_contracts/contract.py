"""The contract: every method of the mesh as its proto describes it, checked for completeness."""

import enum
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any

from google.api import annotations_pb2, http_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from toolmesh.options.v1 import options_pb2
from toolmesh_contracts.comments import Comments
from toolmesh_contracts.field_rules import FieldRules, RuleError

# The verbs that a scope may end in; docs of `Policy.scope` say which role has which.
SCOPE_VERBS = ("read", "write", "use", "audit", "admin")
_SCOPE = re.compile(rf"[a-z][a-z0-9]*:({'|'.join(SCOPE_VERBS)})")
_PACKAGE = re.compile(r"toolmesh\.([a-z][a-z0-9]*)\.v[0-9]+")
_VARIABLE = re.compile(r"\{[a-z0-9_.]+\}")
_TOOL_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")


class ContractError(Exception):
    """A contract breaks a rule of the mesh; the message names the method and the mend."""


class SideEffect(enum.Enum):
    """What a call changes."""

    READ = options_pb2.SIDE_EFFECT_READ
    WRITE = options_pb2.SIDE_EFFECT_WRITE
    DESTRUCTIVE = options_pb2.SIDE_EFFECT_DESTRUCTIVE


@dataclass(frozen=True, slots=True)
class Policy:
    """Who may call a method, for how long it may run, what it changes.

    Exactly one of `scope`, `public` and `authenticated` is set. A message of a streamed answer may
    wait for `unread_seconds` to be read; None: as long as the call may take.
    """

    scope: str | None
    public: bool
    authenticated: bool
    timeout_seconds: float
    side_effect: SideEffect
    unread_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Tool:
    """How a method shows itself to LLMs."""

    name: str
    title: str
    open_world: bool


@dataclass(frozen=True, slots=True)
class HttpRule:
    """One HTTP form of a method, as `google.api.http` states it.

    `body` is `*`, a field's name or empty; `response_body` is a field's name or empty.
    """

    verb: str
    path: str
    body: str
    response_body: str


@dataclass(frozen=True)
class Method:
    """One RPC.

    Attributes:
        path: the gRPC path, `/toolmesh.repomap.v1.RepomapService/Map`.
        service: the deployable that answers, the package's second part: `repomap`.
        comment: the RPC's comment as one text, paragraphs kept.
    """

    path: str
    service: str
    name: str
    input: Descriptor
    output: Descriptor
    client_streaming: bool
    server_streaming: bool
    policy: Policy
    tool: Tool | None
    http: tuple[HttpRule, ...]
    comment: str

    @cached_property
    def input_class(self) -> type[Message]:
        """The message class of the request."""
        return message_factory.GetMessageClass(self.input)

    @cached_property
    def output_class(self) -> type[Message]:
        """The message class of the answer."""
        return message_factory.GetMessageClass(self.output)


@dataclass(frozen=True)
class Contract:
    """All methods of a descriptor set, and the comments of its messages and fields."""

    methods: tuple[Method, ...]
    comments: Comments
    descriptor_set: bytes
    pool: descriptor_pool.DescriptorPool

    @classmethod
    def load(cls, path: Path | None = None) -> "Contract":
        """Reads a descriptor set file; without a path, the one that `make proto` generated.

        Raises:
            ContractError: a method breaks a rule.
        """
        source = files("toolmesh").joinpath("descriptors.binpb") if path is None else path
        return cls.parse(source.read_bytes())

    @classmethod
    def parse(cls, descriptor_set: bytes) -> "Contract":
        """Reads a serialized `FileDescriptorSet` that has source info.

        Raises:
            ContractError: a method breaks a rule.
        """
        parsed = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set)
        pool = descriptor_pool.DescriptorPool()
        for file in parsed.file:
            pool.Add(file)
        comments = Comments(parsed.file)
        methods = tuple(_methods(parsed.file, pool, comments))
        _check_unique(methods)
        return cls(methods=methods, comments=comments, descriptor_set=descriptor_set, pool=pool)

    def message(self, full_name: str) -> Descriptor:
        """The message type of that name, for example `google.rpc.Status`.

        Raises:
            KeyError: the descriptor set has none.
        """
        return self.pool.FindMessageTypeByName(full_name)

    @cached_property
    def by_path(self) -> dict[str, Method]:
        """The methods by gRPC path."""
        return {method.path: method for method in self.methods}

    @property
    def tools(self) -> tuple[Method, ...]:
        """The methods that are tools, by tool name."""
        return tuple(
            sorted((m for m in self.methods if m.tool), key=lambda m: m.tool.name if m.tool else "")
        )

    @property
    def services(self) -> tuple[str, ...]:
        """The deployables, by name."""
        return tuple(sorted({method.service for method in self.methods}))

    @property
    def scopes(self) -> tuple[str, ...]:
        """Every scope that a method asks for, sorted."""
        return tuple(sorted({m.policy.scope for m in self.methods if m.policy.scope}))


def method_policy(
    options: descriptor_pb2.MethodOptions, *, path: str
) -> tuple[Policy, Tool | None]:
    """Reads the policy out of a method's options.

    Raises:
        ContractError: there is none, or it is not complete. Nothing is open by omission.
    """
    if not options.HasExtension(options_pb2.policy):
        raise ContractError(
            f"{path} has no policy: set option (toolmesh.options.v1.policy) with a scope "
            "(or public or authenticated), a timeout and a side_effect"
        )
    stated = options.Extensions[options_pb2.policy]
    access = stated.WhichOneof("access")
    if access is None or not getattr(stated, access):
        raise ContractError(f"{path}: its policy needs a scope, or public or authenticated: true")
    if stated.scope and not _SCOPE.fullmatch(stated.scope):
        verbs = ", ".join(SCOPE_VERBS)
        raise ContractError(
            f"{path}: scope {stated.scope!r} is not <service>:<verb> with a verb of {verbs}"
        )
    timeout = _seconds(stated.timeout)
    if timeout <= 0:
        raise ContractError(f"{path}: its policy needs a timeout")
    unread = _seconds(stated.unread_timeout) if stated.HasField("unread_timeout") else None
    if unread is not None and unread <= 0:
        raise ContractError(f"{path}: its policy needs an unread_timeout over 0, or none")
    if stated.side_effect == options_pb2.SIDE_EFFECT_UNSPECIFIED:
        raise ContractError(f"{path}: its policy needs a side_effect")
    policy = Policy(
        scope=stated.scope or None,
        public=stated.public,
        authenticated=stated.authenticated,
        timeout_seconds=timeout,
        side_effect=SideEffect(stated.side_effect),
        unread_seconds=unread,
    )
    tool = stated.tool if stated.HasField("tool") else None
    return policy, tool and Tool(name=tool.name, title=tool.title, open_world=tool.open_world)


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9


def _methods(
    files_: Iterable[descriptor_pb2.FileDescriptorProto],
    pool: descriptor_pool.DescriptorPool,
    comments: Comments,
) -> Iterator[Method]:
    for file in files_:
        package = _PACKAGE.fullmatch(file.package)
        for service in file.service:
            full_name = f"{file.package}.{service.name}"
            if package is None:
                raise ContractError(f"{full_name}: its package must be toolmesh.<service>.v<N>")
            for stated in service.method:
                path = f"/{full_name}/{stated.name}"
                policy, tool = method_policy(stated.options, path=path)
                method = Method(
                    path=path,
                    service=package[1],
                    name=stated.name,
                    input=pool.FindMessageTypeByName(stated.input_type.lstrip(".")),
                    output=pool.FindMessageTypeByName(stated.output_type.lstrip(".")),
                    client_streaming=stated.client_streaming,
                    server_streaming=stated.server_streaming,
                    policy=policy,
                    tool=tool,
                    http=tuple(_http_rules(stated.options, path=path)),
                    comment=comments.of(f"{full_name}.{stated.name}"),
                )
                if policy.unread_seconds is not None and not method.server_streaming:
                    raise ContractError(f"{path}: an unread_timeout needs an answer that streams")
                _check_tool(method)
                _check_rules(method)
                yield method


def _http_rules(options: descriptor_pb2.MethodOptions, *, path: str) -> Iterator[HttpRule]:
    extension: Any = annotations_pb2.http  # comes without types
    if not options.HasExtension(extension):
        return
    stated = options.Extensions[extension]
    for rule in (stated, *stated.additional_bindings):
        yield _http_rule(rule, path=path)


def _http_rule(rule: http_pb2.HttpRule, *, path: str) -> HttpRule:
    verb = rule.WhichOneof("pattern")
    if verb is None or verb == "custom":
        raise ContractError(f"{path}: its HTTP rule needs get, put, post, delete or patch")
    return HttpRule(
        verb=verb.upper(),
        path=getattr(rule, verb),
        body=rule.body,
        response_body=rule.response_body,
    )


def _check_tool(method: Method) -> None:
    tool = method.tool
    if tool is None:
        return
    if not _TOOL_NAME.fullmatch(tool.name):
        raise ContractError(f"{method.path}: tool name {tool.name!r} must match [a-z][a-z0-9_]*")
    if not tool.title:
        raise ContractError(f"{method.path}: the tool needs a title")
    if method.client_streaming or method.server_streaming:
        raise ContractError(f"{method.path}: a tool must be a unary method")
    if not any(rule.verb == "POST" and rule.body == "*" for rule in method.http):
        raise ContractError(f'{method.path}: a tool needs an HTTP rule with post and body: "*"')
    if "max_tokens" not in method.input.fields_by_name:
        raise ContractError(f"{method.path}: a tool's request needs a max_tokens field")
    if method.policy.public:
        raise ContractError(f"{method.path}: a tool cannot be public")


def _check_rules(method: Method) -> None:
    try:
        FieldRules(method.input)
    except RuleError as error:
        raise ContractError(f"{method.path}: {error}") from error


def _check_unique(methods: Iterable[Method]) -> None:
    seen: dict[str, str] = {}
    for method in methods:
        # Two paths that differ only in the names of their variables are one path.
        names = [f"{rule.verb} {_VARIABLE.sub('{}', rule.path)}" for rule in method.http]
        if method.tool:
            names.append(f"tool {method.tool.name}")
        for name in names:
            if name in seen:
                raise ContractError(f"{method.path} and {seen[name]} both are {name}")
            seen[name] = method.path


def main(path: str) -> int:
    """Checks a descriptor set file; prints what is wrong and returns the exit code."""
    try:
        Contract.load(Path(path))
    except ContractError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
