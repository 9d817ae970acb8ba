"""What was found in a known target, as it is committed: the same on every run, without secrets or ports of the day."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from conformance.targets.known import HERE, Known
from mcp_demo.local.state import Run

FOLDER = HERE / "results"
_NEVER = "1970-01-01T00:00:00+00:00"


def path(known: Known) -> Path:
    """The file of a target."""
    return FOLDER / f"{known.name}.json"


def read(known: Known) -> dict[str, Any]:
    """The record of a target."""
    return json.loads(path(known).read_text(encoding="utf-8"))


def write(known: Known, found: dict[str, Any]) -> None:
    """Record what was found."""
    FOLDER.mkdir(exist_ok=True)
    path(known).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def normalised(document: dict[str, Any], run: Run, known: Known) -> dict[str, Any]:
    """A report without what differs from run to run: times, ports, and the exchanges, which are full of both."""
    results: list[dict[str, Any]] = [{**result, "seconds": 0, "exchanges": []} for result in document["results"]]
    preflight = [item for item in document["preflight"] if item["name"] not in ("reachable", "clock")]
    found: dict[str, Any] = {
        **document,
        "label": known.name,
        "about": {"title": known.title, "packages": known.packages, "recipe": known.recipe},
        "started": _NEVER,
        "seconds": 0,
        "requests": 0,
        "preflight": preflight,
        "results": results,
    }
    text = json.dumps(found, ensure_ascii=False)
    for ours, public in _names(run):
        text = text.replace(ours, public).replace(_loud(ours), _loud(public))
    return json.loads(text)


def counts(found: dict[str, Any]) -> str:
    """How many results have each verdict, in a line."""
    return ", ".join(f"{count} {verdict}" for verdict, count in found["summary"].items() if count)


def differences(known: Known, found: dict[str, Any]) -> Iterator[str]:
    """Where a run and the record disagree, line by line."""
    recorded = {result["check"]: result["verdict"] for result in read(known)["results"]}
    now = {result["check"]: result["verdict"] for result in found["results"]}
    for check in sorted(recorded.keys() | now.keys()):
        before, after = recorded.get(check, "absent"), now.get(check, "absent")
        if before != after:
            yield f"{check}: {before} is now {after}"


def problems(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The results that say something is wrong with the target."""
    results = cast("list[dict[str, Any]]", found["results"])
    return [result for result in results if result["verdict"] in ("fail", "warn")]


def _loud(url: str) -> str:
    return url.replace("http://localhost", "HTTP://LOCALHOST")


def _names(run: Run) -> list[tuple[str, str]]:
    """Addresses of the day, and the usual ones that stand for them."""
    usual = {run.server.removesuffix("/mcp"): 3001, run.bridge: 3004, run.domain: 4567, run.aws: 4566}
    usual |= {run.clients["static"]: 3000, run.clients["dcr"]: 3002, run.clients["cimd"]: 3003}
    pool = run.issuer.rpartition("/")[2]
    return [*((url, f"http://localhost:{port}") for url, port in usual.items()), (pool, "us-east-1_Example")]
