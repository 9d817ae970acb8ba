"""Build the notebooks from their texts: `python notebooks/build.py [NN …]`, all of them by default.

Each `text/NN_name.py` (jupytext, `py:percent`) is run from the top in a fresh kernel, on the running system or on one
that is started, and becomes `NN_name.ipynb` with its outputs. What differs from run to run without meaning anything
(ports, ids, timings) is evened out; and where nothing else has changed, the notebook stays as it is.
"""

import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jupytext
import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from mcp_demo import lab
from mcp_demo.local.ports import Ports
from mcp_demo.local.state import Run

HERE = Path(__file__).parent
LARGEST = 300_000
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
_CELL_TIMEOUT = 300
_TIMING = re.compile(r" · \d+ ms(?![a-z])")
_MEMORY = re.compile(r"\bat 0x[0-9a-f]{6,}")
_IMAGE = re.compile(r"base64,[A-Za-z0-9+/=]+")
_VOLATILE = re.compile(
    r"\S{0,3}…·\d+ chars·sha256 [0-9a-f]{4}"
    r"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"|\b(?=\w*\d)\w{20,}\b"
    r"|(?<=>)\d+(?=</td>)"
    r"|\b[0-9a-f]{16,}\b|[\w+/-]{40,}={0,2}|\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT"
    r"|/execute-api/\w+|//\w+(?=\.execute-api\.)"
    r"|(?<=_)[A-Za-z0-9]{9}\b"
    r"|\d{4}-\d\d-\d\d[ T]\d\d:\d\d(?::\d\d)?(?:\.\d+)?Z?|\b1[78]\d{8}(?:\.\d+)?\b|\d+(?:\.\d+)? (?:ms|s)\b"
    r"|localhost:\d+"
)


def main(numbers: list[str]) -> int:
    """Build the named notebooks; how many could not be built."""
    texts = [text for text in sorted((HERE / "text").glob("*.py")) if not numbers or text.stem[:2] in numbers]
    if not texts:
        sys.stderr.write(f"There is no text for {' '.join(numbers)}.\n")
        return 4
    run, failed = lab.start(), 0
    for place, text in enumerate(texts, 1):
        sys.stdout.write(f"[{place}/{len(texts)}] {text.stem} … ")
        sys.stdout.flush()
        started = time.monotonic()
        try:
            said = build(text, HERE / f"{text.stem}.ipynb", run)
        except (CellExecutionError, ValueError) as problem:
            failed += 1
            said = f"FAILED\n{problem}"
        sys.stdout.write(f"{said}, {time.monotonic() - started:.0f} s\n")
    return 1 if failed else 0


def build(text: Path, target: Path, run: Run) -> str:
    """Run a text and write the notebook; what became of it.

    Raises:
        CellExecutionError: A cell fails.
        ValueError: The notebook is too large.
    """
    notebook = read(text)
    NotebookClient(notebook, timeout=_CELL_TIMEOUT, kernel_name="python3").execute(cwd=str(HERE))
    even_out(notebook, run)
    if target.exists() and _gist(nbformat.read(target, as_version=4)) == _gist(notebook):
        return "unchanged"
    written = nbformat.writes(notebook, version=4) + "\n"
    if len(written.encode()) > LARGEST:
        raise ValueError(f"{target.name} has {len(written.encode())} bytes; {LARGEST} is the most.")
    target.write_text(written, encoding="utf-8")
    return f"{len(written.encode()) // 1000} kB"


def read(text: Path) -> Any:
    """The notebook of a text, without outputs."""
    notebook = nbformat.from_dict(jupytext.read(text, fmt="py:percent"))
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for place, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"{cell.cell_type}-{place:02}", _metadata(cell)
    return notebook


def _metadata(cell: Any) -> Any:
    """A prediction's source would give its answer away, so JupyterLab folds it."""
    hidden = cell.cell_type == "code" and cell.source.startswith("lab.predict(")
    return nbformat.from_dict({"jupyter": {"source_hidden": True}} if hidden else {})


def even_out(notebook: Any, run: Run) -> None:
    """Take out of the outputs what no reader needs and every run makes anew."""
    addresses = _addresses(run)
    for cell in notebook.cells:
        cell.metadata = _metadata(cell)
        outputs = cell.get("outputs", [])
        for output in outputs:
            if "text" in output:
                output.text = _even(output.text, addresses)
            for kind, shown in output.get("data", {}).items():
                if isinstance(shown, str) and not kind.startswith("image/png"):
                    output.data[kind] = _even(shown, addresses)
        if outputs:
            cell.outputs = _joined(outputs)


def _joined(outputs: Iterable[Any]) -> list[Any]:
    """Neighbouring pieces of one stream as one."""
    joined = list[Any]()
    for output in outputs:
        last = joined[-1] if joined else None
        if last is not None and output.output_type == "stream" == last.output_type and output.name == last.name:
            last.text += output.text
        else:
            joined.append(output)
    return joined


def _addresses(run: Run) -> dict[str, str]:
    """The addresses of this run, and what they usually are."""
    called = {"static": "static", "auto": "dcr", "metadata": "cimd"}
    served = {"server": run.server, "bridge": run.bridge, "domain": run.domain, "aws": run.aws}
    served |= {name: run.clients[kind] for name, kind in called.items() if kind in run.clients}
    found = {str(run.state): "~/.local/state/mcp-demo"}
    for name, address in served.items():
        for host in ("localhost", "127.0.0.1"):
            found[f"{host}:{urlsplit(address).port}"] = f"{host}:{getattr(Ports(), name)}"
    return found


def _even(text: str, addresses: dict[str, str]) -> str:
    for here, usual in addresses.items():
        text = re.sub(rf"{re.escape(here)}(?!\d)", usual, text)
    return _MEMORY.sub("", _TIMING.sub("", text))


def _gist(notebook: Any) -> list[Any]:
    """What of a notebook matters: its sources, and its outputs without what changes from run to run."""
    outputs = ([_said(output) for output in cell.get("outputs", [])] for cell in notebook.cells)
    return [(cell.cell_type, cell.source, shown) for cell, shown in zip(notebook.cells, outputs, strict=True)]


def _said(output: Any) -> list[str]:
    shown = [output.get("text", ""), *(str(value) for value in output.get("data", {}).values())]
    return [output.output_type, *(_VOLATILE.sub("·", _IMAGE.sub("image", text)) for text in shown)]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
