"""`toolmesh audit verify`: says whether the log is as it was written."""

import asyncio
from typing import Any, Final

import click

from toolmesh_cli.answers import print_json
from toolmesh_cli.arguments import build_request
from toolmesh_cli.connection import Session, connected
from toolmesh_cli.derived import field_helps
from toolmesh_cli.facts import enum_text
from toolmesh_cli.failures import CliError, ExitCode
from toolmesh_cli.mesh_contract import contract
from toolmesh_cli.parameters import Parameters
from toolmesh_cli.progress import progress_display
from toolmesh_cli.wording import number
from toolmesh_contracts.contract import Method

_VERIFY: Final = "/toolmesh.audit.v1.AuditService/VerifyAudit"


def verify_command() -> click.Command:
    """The command; its options are the fields of the request."""
    method = contract().by_path[_VERIFY]
    parameters = Parameters(method, field_helps(method))

    @click.pass_obj
    def callback(session: Session, as_json: bool, **values: Any) -> None:
        request = build_request(method, parameters.arguments(values))
        finding = asyncio.run(_verify(session, method, request, quiet=as_json))
        if as_json:
            print_json(finding)
        if not finding.valid:
            raise _fault(finding)
        if not as_json:
            _print(finding)

    return click.Command(
        "verify",
        params=[
            *parameters.click_parameters(),
            click.Option(["--json", "as_json"], is_flag=True, help="Print the finding as JSON."),
        ],
        callback=callback,
        short_help="Check that the log is as it was written",
        help="Check that the log is as it was written.\n\nNames the first bad record and exits "
        "with 1 if there is one. `toolmesh audit anchors --json` makes a file for --anchors; keep "
        f"it where who can write to the log cannot.\n\nNeeds: {method.policy.scope}.",
    )


def _print(finding: Any) -> None:
    count = number(finding.checked_count, "record")
    click.echo(f"{click.style('OK', fg='green', bold=True)}: {count} as written")
    if finding.checked_count:
        click.echo(f"head: record {finding.last_sequence}, hash {finding.last_hash}")


async def _verify(session: Session, method: Method, request: Any, *, quiet: bool) -> Any:
    async with connected(session) as channel, progress_display("verify", quiet=quiet) as display:
        from toolmesh_client.by_descriptor import stream_method

        finding: Any = None
        answers: Any = stream_method(channel, method, request)
        async for answer in answers:
            finding = answer
            if not finding.finished:
                display.show(finding)
    if finding is None or not finding.finished:
        raise CliError(
            "the check ended before its end",
            hint="go on with --from-sequence",
            exit_code=ExitCode.DEADLINE,
        )
    return finding


def _fault(finding: Any) -> CliError:
    enum = finding.DESCRIPTOR.fields_by_name["fault"].enum_type
    good = number(finding.checked_count, "record")
    return CliError(
        f"record {finding.bad_sequence} is {enum_text(enum, finding.fault)}: {finding.message}",
        exit_code=ExitCode.UNEXPECTED,
        details=[f"{good} before it {'is' if finding.checked_count == 1 else 'are'} good"],
    )
