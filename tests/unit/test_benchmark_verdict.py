"""The verdict on measurements. Nothing is timed here."""

import shutil
import subprocess
from pathlib import Path

import httpx
import pytest

from benchmarks import load, requests
from benchmarks.__main__ import main
from benchmarks.load import Request, Sample, WrongAnswer
from benchmarks.ratios import Cell, Results, verdict
from benchmarks.report import Report
from benchmarks.servers import Server


def sample(rate: float, *, p50: float = 1.0, p99: float = 2.0, cpu: float = 100.0) -> Sample:
    return Sample(rate, p50, p99, cpu, 1.0)


def results(**rates: list[float]) -> Results:
    """Of the challenge at 32 connections, by server."""
    names = {"ours": "mcp-demo", "bare": "bare", "sdk": "mcp SDK"}
    return {
        Cell("401 challenge", 32, names[who], "none"): [sample(rate) for rate in measured]
        for who, measured in rates.items()
    }


def test_each_round_is_compared_with_itself() -> None:
    found = verdict(results(ours=[90, 900, 9], bare=[100, 1000, 10]))
    assert [ratio.value for ratio in found] == [pytest.approx(0.9)]
    assert found[0].is_met


@pytest.mark.parametrize(("rate", "met"), [(84.9, False), (85.0, True)])
def test_the_target_itself_is_good_enough(rate: float, met: bool) -> None:
    assert [ratio.is_met for ratio in verdict(results(ours=[rate], bare=[100]))] == [met]


def test_a_tail_may_be_three_medians_long() -> None:
    cell = Cell("tools/list 2026-07-28", 32, "mcp-demo", "known")
    for p99, met in ((3.0, True), (3.1, False)):
        found = verdict({cell: [sample(1000, p99=p99)]})
        assert [(ratio.at_most, ratio.is_met) for ratio in found] == [(True, met)]


def test_the_report_names_what_is_missed_first() -> None:
    report = Report("python -m benchmarks", results=results(ours=[50], bare=[100], sdk=[40]))
    text = report.text()
    assert "1 of 2 are met" in text
    assert text.index("**missed**") < text.index("## Figures behind them")
    assert [ratio.what for ratio in report.missed] == ["401 challenge, 32 connections / bare"]


@pytest.mark.skipif(shutil.which("wrk") is None, reason="the load generator is not installed")
@pytest.mark.parametrize(("status", "answer"), [(200, b"another"), (401, b"right")])
def test_a_wrong_answer_ends_the_run(tmp_path: Path, status: int, answer: bytes) -> None:
    (tmp_path / "index.html").write_bytes(b"right")
    command = ["python3", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory", str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={"PYTHONUNBUFFERED": "1"}
    ) as p:
        assert p.stdout is not None
        port = int(p.stdout.readline().split()[5])
        expected = tmp_path / "answer"
        expected.write_bytes(answer)
        request = Request("GET", "/", {}, "", status)
        with pytest.raises(WrongAnswer, match="were wrong"):
            load.run(Server("files", port, p.pid), request, expected, 1, 1, None)
        p.terminate()


@pytest.mark.parametrize(
    "document",
    [
        {"jsonrpc": "2.0", "id": 1, "result": {"tools": [{"name": "whoami"}]}},
        {"jsonrpc": "2.0", "id": 1, "error": {"code": -32000, "message": "no"}},
        [],
    ],
)
def test_an_answer_that_lacks_the_tools_is_not_right(document: object, monkeypatch: pytest.MonkeyPatch) -> None:
    question = next(question for question in requests.questions() if question.name.startswith("tools/list"))
    answer = httpx.Response(200, json=document)

    def answers(*_: object, **__: object) -> httpx.Response:
        return answer

    monkeypatch.setattr(httpx, "request", answers)
    with pytest.raises(WrongAnswer):
        requests.right_answer(1, question, "token")


def test_without_wrk_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sys.argv", ["benchmarks", "--only", "endpoint"])
    assert main() == 4
    assert capsys.readouterr().err.splitlines() == [
        "The load generator wrk is missing. apt-get install wrk, or brew install wrk."
    ]
