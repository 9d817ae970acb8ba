"""`python -m conformance.official`: run the official suite over our client and our bridge.

Exit status: 0 everything that counts passed · 1 something failed · 3 our own failure · 4 the suite cannot run here.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from conformance.official import table
from conformance.official.bridge import run_bridge
from conformance.official.node import Toolchain, Unavailable, toolchain
from conformance.official.scenarios import REVISIONS, Outcome, run_all, scenarios
from mcp_demo.errors import SetupError
from mcp_demo.local.browser import require
from mcp_demo.local.children import PartFailed
from mcp_demo.local.ports import Ports
from mcp_demo.local.stack import running_stack
from mcp_demo.local.state import current


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for."""
    chosen = _parser().parse_args(arguments)
    try:
        tools = toolchain()
        outcomes = _client(tools, chosen.select)
        if not chosen.no_bridge and not chosen.select:
            outcomes += _bridge(tools, chosen.state)
    except (Unavailable, SetupError) as error:
        _say(" ".join(str(error).split()))
        return 4
    except PartFailed as error:
        _say(str(error))
        return 3
    if chosen.write:
        chosen.write.write_text(table.page(tools, version("mcp"), outcomes), encoding="utf-8")
    _say(table.verdict(outcomes).strip("*"))
    return int(not outcomes or any(not one.is_good for one in outcomes if table.counts(one)))


def _client(tools: Toolchain, select: str | None) -> list[Outcome]:
    wanted = [one for revision in REVISIONS for one in scenarios(tools, revision) if not select or select in one.name]
    return run_all(tools, wanted, lambda outcome: _say(table.line(outcome)))


def _bridge(tools: Toolchain, state: Path | None) -> list[Outcome]:
    browser = Path(require())
    run = current(state) if state else None
    if run is not None:
        outcomes = run_bridge(tools, run, browser)
    else:
        with (
            tempfile.TemporaryDirectory(prefix="mcp-official-") as folder,
            running_stack(Path(folder), Ports.free()) as own,
        ):
            outcomes = run_bridge(tools, own, browser)
    for outcome in outcomes:
        _say(table.line(outcome))
    return outcomes


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m conformance.official", description=__doc__)
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the results as a page")
    parser.add_argument("--select", metavar="TEXT", help="only client scenarios whose name contains this")
    parser.add_argument("--no-bridge", action="store_true", help="leave the authorization server out")
    parser.add_argument("--state", type=Path, metavar="DIR", help="use the system that runs in this folder")
    return parser


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command


if __name__ == "__main__":
    sys.exit(main())
