"""Coverage-guided fuzzing of every parser: `make fuzz`, or `guided.py --seconds 60 --seed 1 [--only NAME]`.

The fuzzer is Atheris (libFuzzer for Python). It has wheels for Linux only and nobody needs it to run or test the rest,
so it is no dependency: it is installed, pinned and by its hash, into a folder of its own. Each parser runs in a child
process, since libFuzzer ends the process at a finding; the input of a finding is kept in `tests/fuzz/findings`.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

_HERE = Path(__file__).parent
_FINDINGS = _HERE / "findings"
_STATISTIC = re.compile(r"stat::(\w+): +(\d+)")
_COVERED = re.compile(r"cov: (\d+) ft: (\d+)")
_WORDS = re.compile(
    r"^ *(?:=== Uncaught Python exception: ===\n)?([A-Za-z_.]+(?:Error|Exception|Broken|Warning)): (.*)$", re.M
)


def fuzz(name: str, folder: Path, arguments: list[str]) -> None:
    """Fuzz one parser in this process, which ends with it, from its examples: they hold keys of this process."""
    import atheris  # pyright: ignore[reportMissingImports, reportMissingModuleSource]

    with atheris.instrument_imports(include=["mcp_demo", "joserfc", "starlette", "mcp.shared.inbound"]):  # pyright: ignore
        from parsers import PARSERS

    parser = next(parser for parser in PARSERS if parser.name == name)
    for number, example in enumerate(parser.seeds):
        (folder / f"seed-{number}").write_bytes(example)
    atheris.Setup([sys.argv[0], str(folder), *arguments], parser.read)  # pyright: ignore
    atheris.Fuzz()  # pyright: ignore


def run(name: str, seconds: int, seed: int, libraries: str) -> tuple[str, bool]:
    """Fuzz one parser in a child process; returns a row of the table, and whether it held."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, __file__, "--child", name, folder, f"-max_total_time={seconds}", f"-seed={seed}"]
        command += ["-max_len=4096", "-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"]
        command.append(f"-artifact_prefix={_FINDINGS}/{name.replace(' ', '-').replace(',', '')}-")
        environment = {**os.environ, "PYTHONPATH": libraries}
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=environment, check=False)
    numbers = dict(_STATISTIC.findall(done.stderr))
    covered = _COVERED.findall(done.stderr) or [("?", "?")]
    words = (
        "nothing"
        if done.returncode == 0
        else "; ".join(": ".join(found) for found in _WORDS.findall(done.stdout + done.stderr)[:1])
    )
    count = int(numbers.get("number_of_executed_units", 0))
    found = words.replace("|", "/") or f"ended with {done.returncode}: {done.stderr[-200:]!r}"
    return f"| {name} | {count:,} | {covered[-1][0]} | {found:.160} |", done.returncode == 0


def main() -> int:
    """The command."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=int, default=60, help="for each parser")
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--only", help="the name of a parser")
    chosen = options.parse_args()
    from parsers import PARSERS

    _FINDINGS.mkdir(exist_ok=True)
    held = True
    with tempfile.TemporaryDirectory() as libraries:
        install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", libraries, "--no-deps"]
        subprocess.run([*install, "--require-hashes", "-r", str(_HERE / "requirements.txt")], check=True)
        sys.stdout.write("| Parser | Inputs | Edges covered | Found |\n|---|---:|---:|---|\n")
        for parser in PARSERS:
            if chosen.only in (None, parser.name):
                row, good = run(parser.name, chosen.seconds, chosen.seed, libraries)
                held = held and good
                sys.stdout.write(f"{row}\n")
                sys.stdout.flush()
    return 0 if held else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        fuzz(sys.argv[2], Path(sys.argv[3]), sys.argv[4:])
    sys.exit(main())
