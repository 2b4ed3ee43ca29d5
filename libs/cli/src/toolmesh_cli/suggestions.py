"""A group that names the command that was probably meant."""

from difflib import get_close_matches

import click

from toolmesh_cli.arguments import kebab
from toolmesh_cli.failures import CliError, ExitCode


class SuggestingGroup(click.Group):
    """Fails with a guess where click only says that there is no such command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was typed.

        Raises:
            CliError: there is none.
        """
        typed = args[0]
        if typed.startswith("-") or self.get_command(ctx, typed) is not None:
            return super().resolve_command(ctx, args)
        hint = self.guess(ctx, args) or f"`{ctx.command_path} --help` lists the commands"
        raise CliError(f"there is no command {typed!r}", exit_code=ExitCode.USAGE, hint=hint)

    def guess(self, ctx: click.Context, args: list[str]) -> str:
        """A sentence that names the nearest command; empty: none is near."""
        from toolmesh_cli.mesh_contract import groups

        root = ctx.find_root().command_path
        methods = {
            kebab(method.name): f"{root} {group} {command}"
            for group, commands in groups().items()
            for command, method in commands.items()
        }
        own = {name: f"{ctx.command_path} {name}" for name in self.list_commands(ctx)}
        # Whole names of methods are tried as well: who read the proto types `list-users`.
        known = methods | own
        exact = methods.get(args[0])
        near = get_close_matches(args[0], own, n=1) or get_close_matches(args[0], known, n=1)
        meant = exact or (known[near[0]] if near else "")
        return f"did you mean `{meant}`?" if meant else ""
