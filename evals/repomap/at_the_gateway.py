"""Measures map requests at the gateway, and whether budgets are kept."""

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
from google.protobuf.json_format import MessageToDict

from evals.processes import BenchmarkError
from evals.repomap.mesh import ask, open_mesh
from evals.repomap.speed import MAX_TOKENS, Question, draw_questions, find_names, request_for
from toolmesh.repomap.v1 import repomap_service_pb2 as pb
from toolmesh_serving.tokens import count_tokens

_WARM_UP = 20
_SMALLEST_BUDGET, _LARGEST_BUDGET = 1, 32_768
_MOST_NAMES, _MOST_FOCUS_PATHS = 50, 5
_SEED = 13
_HTTP_SECONDS = 60.0


@dataclass(frozen=True)
class AtTheGateway:
    """What requests through Envoy took, one after the other, in seconds.

    Attributes:
        grpc, http: each for another question, so that no answer can be a kept one.
        budgets_kept: of `budgets_asked` random requests, how many answers were within the budget
            and said rightly how many tokens they had.
    """

    file_count: int
    grpc: tuple[float, ...]
    http: tuple[float, ...]
    budgets_kept: int
    budgets_asked: int


async def measure_at_the_gateway(
    tree: Path, paths: Sequence[str], *, folder: Path, calls: int, budgets: int
) -> AtTheGateway:
    """Starts a mesh, pushes a tree, and asks for maps of it through Envoy.

    Raises:
        BenchmarkError: the gateway answers with an error.
    """
    questions = draw_questions(find_names(tree, paths), 2 * calls + _WARM_UP)
    async with open_mesh(folder) as mesh:
        workspace = await mesh.new_workspace("benchmark")
        await mesh.push(workspace, tree)

        def request(question: Question) -> pb.MapRequest:
            return request_for(question, workspace=workspace, max_tokens=MAX_TOKENS)

        for question in questions[:_WARM_UP]:
            await ask(mesh.gateway_maps, request(question))
        grpc: list[float] = []
        for question in questions[_WARM_UP:][:calls]:
            begun = time.perf_counter()
            await ask(mesh.gateway_maps, request(question))
            grpc.append(time.perf_counter() - begun)
        requests = [request(question) for question in questions[_WARM_UP + calls :]]
        http = await _by_http(f"http://127.0.0.1:{mesh.port}", await mesh.token(), requests)
        kept = 0
        for wish in _random_requests(workspace, paths, questions, budgets):
            answer = await ask(mesh.gateway_maps, wish)
            kept += count_tokens(answer.map) == answer.token_count <= wish.max_tokens
    return AtTheGateway(len(paths), tuple(grpc), tuple(http), kept, budgets)


async def _by_http(url: str, token: str, requests: Sequence[pb.MapRequest]) -> list[float]:
    seconds: list[float] = []
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=_HTTP_SECONDS) as client:
        for request in requests:
            body = MessageToDict(request)
            begun = time.perf_counter()
            answer = await client.post("/v1/repomap:map", json=body)
            seconds.append(time.perf_counter() - begun)
            if answer.status_code != httpx.codes.OK:
                raise BenchmarkError(f"the gateway answered {answer.status_code}: {answer.text}")
    return seconds


def _random_requests(
    workspace: str, paths: Sequence[str], questions: Sequence[Question], count: int
) -> list[pb.MapRequest]:
    """Requests with budgets of all sizes, each size as likely as its double, and any steering."""
    drawn = random.Random(_SEED)  # noqa: S311 - no secret
    names = sorted({name for question in questions for name in question.names})
    requests: list[pb.MapRequest] = []
    for _ in range(count):
        growth = drawn.random()
        request = request_for(
            drawn.choice(questions),
            workspace=workspace,
            max_tokens=round(_SMALLEST_BUDGET * (_LARGEST_BUDGET / _SMALLEST_BUDGET) ** growth),
        )
        most = min(len(names), _MOST_NAMES)
        del request.mentioned_names[:]
        request.mentioned_names.extend(drawn.sample(names, drawn.randint(0, most)))
        request.focus_paths.extend(drawn.sample(paths, drawn.randint(0, _MOST_FOCUS_PATHS)))
        requests.append(request)
    return requests
