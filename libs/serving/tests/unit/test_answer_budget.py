"""Answers within budgets."""

import json

import pytest
from google.protobuf import json_format

from toolmesh.codesearch.v1 import hit_pb2
from toolmesh.semgrep.v1 import finding_pb2, semgrep_service_pb2
from toolmesh_serving.answer_budget import fit_items, gateway_json
from toolmesh_serving.tokens import count_tokens


def _problem(number: int) -> finding_pb2.ScanProblem:
    return finding_pb2.ScanProblem(path=f"src/<{number}>.py", reason="'é' & \"quotes\"")


def _fit(count: int, max_tokens: int) -> tuple[semgrep_service_pb2.ValidateRuleResponse, bool, int]:
    """Fit rule ids into an answer; return it, whether they fit, and how many sizes were asked."""
    answer = semgrep_service_pb2.ValidateRuleResponse()
    ids = [f"rule-<{number}>" for number in range(count)]
    asked = 0

    def size(text: str) -> int:
        nonlocal asked
        asked += 1
        return count_tokens(json.dumps(text))

    def show(shown: int) -> None:
        del answer.rule_ids[:]
        answer.rule_ids.extend(ids[:shown])
        answer.truncated = shown < count

    fits = fit_items(
        answer, map(size, ids), show=show, max_tokens=max_tokens, count_tokens=count_tokens
    )
    return answer, fits, asked


def test_all_fields_are_written_as_the_gateway_writes_them() -> None:
    """Also those that are not set, in their order, but no message that is not there."""
    summary = semgrep_service_pb2.ScanSummary(problems=[_problem(1)], file_count=3)
    finding = finding_pb2.Finding(severity=finding_pb2.SEVERITY_ERROR, cwe=["CWE-79: <b>"])
    answer = semgrep_service_pb2.ScanResponse(findings=[finding], summary=summary)
    text = gateway_json(answer)
    printed = json_format.MessageToDict(answer, always_print_fields_with_no_presence=True)
    assert json.loads(text) == printed
    assert list(json.loads(text)) == [field.json_name for field in answer.DESCRIPTOR.fields]
    assert "\\u003cb\\u003e" in text
    assert "é" in text
    bare = semgrep_service_pb2.ScanResponse()
    assert "summary" not in json.loads(gateway_json(bare))


@pytest.mark.parametrize("more", ["", "é"])
def test_signs_are_escaped_as_the_gateway_escapes_them(more: str) -> None:
    """Those of tags and those that are not seen, whether or not there is more than ASCII."""
    path = "".join(map(chr, range(128))) + more
    text = gateway_json(finding_pb2.ScanProblem(path=path))
    assert json.loads(text)["path"] == path
    assert not [sign for sign in text if sign in "<>" or not sign.isprintable()]


@pytest.mark.parametrize("number", ["0", "1", "0.35", "0.16666667", "1e-05", "123456.79"])
def test_numbers_are_written_with_as_few_digits_as_the_gateway_writes(number: str) -> None:
    """One with 32 bits is not written with the digits that 64 bits would have."""
    hit = hit_pb2.Hit(score=float(number))
    assert f'"score":{number},' in gateway_json(hit)


@pytest.mark.parametrize("max_tokens", [60, 100, 500, 2_000])
def test_an_answer_has_as_many_items_as_fit(max_tokens: int) -> None:
    """The count is the answer's own, the number included, and little of the budget is left."""
    answer, fits, asked = _fit(10_000, max_tokens)
    assert fits
    assert answer.token_count == count_tokens(gateway_json(answer)) <= max_tokens
    assert answer.token_count > 0.8 * max_tokens - 15
    assert answer.truncated
    assert asked < max_tokens


def test_items_that_all_fit_are_all_shown() -> None:
    """With nothing left to say of those that are not."""
    answer, fits, _ = _fit(20, 1_000)
    assert fits
    assert len(answer.rule_ids) == 20
    assert not answer.truncated
    empty, fits, _ = _fit(0, 1_000)
    assert fits
    assert not empty.truncated


@pytest.mark.parametrize("count", [0, 1, 5])
def test_a_budget_too_small_is_told_with_what_is_enough(count: int) -> None:
    """The count of the shortest answer is a budget in which it fits."""
    answer, fits, _ = _fit(count, 5)
    assert not fits
    again, fits, _ = _fit(count, answer.token_count)
    assert fits
    assert again == answer
