"""What a stage of the pipeline is."""

from collections.abc import Awaitable

from google.protobuf.message import Message

from toolmesh_serving.call import Call


class Stage:
    """One concern that holds for every RPC, such as its deadline.

    Stages nest: the first one begins first and ends last. A stage whose `begin` raised does not
    end, the ones outside it do.
    """

    def begin(self, call: Call) -> Awaitable[None] | None:
        """Before the work. Returns something to await only when it has to wait."""

    def message(self, call: Call, message: Message) -> None:
        """For each message that the caller sends, before the work sees it."""

    def end(self, call: Call) -> None:
        """After the work, which may have failed: see `call.error`. Must not raise."""
