"""`python -m conformance.targets [NAME…]`: start servers that people run, judge them, record what was found.

Exit status: 0 all of them were judged · 3 our own failure · 4 some could not be run here.
"""

import argparse
import sys
from collections.abc import Sequence

from conformance.targets import findings, record
from conformance.targets.known import TARGETS, Unavailable
from conformance.targets.play import play
from conformance.targets.stage import stage
from mcp_demo.errors import SetupError
from mcp_demo.local.children import PartFailed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m conformance.targets", description=__doc__)
    names = [known.name for known in TARGETS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only these of {', '.join(names)}")
    parser.add_argument("--check", action="store_true", help="write nothing; say what differs from the records")
    chosen = parser.parse_args(arguments)
    unknown = [name for name in chosen.names if name not in names]
    if unknown:
        parser.error(f"there is no target {unknown[0]}; there are {', '.join(names)}")
    try:
        return _all(chosen.names or names, check=chosen.check)
    except SetupError as error:
        _say(" ".join(str(error).split()))
        return 4
    except PartFailed as error:
        _say(str(error))
        return 3


def _all(names: Sequence[str], *, check: bool) -> int:
    failed = 0
    with stage() as place:
        for known in (known for known in TARGETS if known.name in names):
            try:
                found = record.normalised(play(place, known), place.run, known)
            except Unavailable as reason:
                _say(f"{known.name}: not run: {reason}")
                failed = 4
                continue
            _say(f"{known.name}: {record.counts(found)}")
            if check:
                for line in record.differences(known, found):
                    _say(f"  {line}")
            else:
                record.write(known, found)
    if not check:
        findings.write_table()
    return failed


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - a command


if __name__ == "__main__":
    sys.exit(main())
