"""Measure how fast this is, and print the tables. In full it takes a quarter of an hour, with `--quick` one minute.

`logins`, `plan`, `scale` and `soak` are commands of their own: `python -m benchmarks soak --minutes 10`.

Exit codes: 0 every ratio is good, 1 one is not, 3 a server gave a wrong answer, 4 a tool is missing.
"""

import argparse
import sys
import tempfile
import time
from importlib import import_module
from pathlib import Path

from benchmarks import endpoint, micro, system
from benchmarks.load import WrongAnswer, require_wrk
from benchmarks.report import Report
from mcp_demo.errors import SetupError

_ROUNDS = 9
_PARTS = ("endpoint", "micro", "system")
_ALONE = ("logins", "plan", "scale", "soak")


def main() -> int:
    """Measure; returns the exit code."""
    if sys.argv[1:2] and sys.argv[1] in _ALONE:
        return import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:])
    options = _options()
    report = Report(" ".join(("python -m benchmarks", *sys.argv[1:])))
    begun = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as folder:
            _measure(options, report, Path(folder))
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 4
    except (WrongAnswer, system.StepFailed) as error:
        sys.stderr.write(f"{error}\n")
        return 3
    report.seconds = time.monotonic() - begun
    sys.stdout.write(report.text())
    if options.write:
        options.write.write_text(report.text())
    return 1 if report.missed else 0


def _measure(options: argparse.Namespace, report: Report, folder: Path) -> None:
    parts = options.only or _PARTS
    rounds = options.rounds or (1 if options.quick else _ROUNDS)
    if "micro" in parts:
        _say("small things")
        report.micro = micro.microseconds(rounds * 2)
        report.starts = micro.seconds_to_start(rounds * 2 - 1)
    if "endpoint" in parts:
        require_wrk()
        report.results, report.memory = endpoint.measure(rounds, options.question, folder, _say)
    if "system" in parts and not options.quick:
        report.system = system.measure(folder, _say)


def _say(step: str) -> None:
    sys.stderr.write(f"{step}\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round, and not the whole system")
    parser.add_argument("--rounds", type=int, help=f"how many rounds, instead of {_ROUNDS}")
    parser.add_argument("--only", action="append", choices=_PARTS, help="only this part; may be repeated")
    parser.add_argument("--question", default="", metavar="START", help="only requests whose name begins so")
    parser.add_argument("--write", type=Path, metavar="FILE", help="also write the tables there")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
