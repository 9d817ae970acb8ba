"""A real JupyterLab on a copy of the notebooks, and a browser that opens it."""

import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest
from lessons import NOTEBOOKS
from playwright.sync_api import Browser, sync_playwright

from mcp_demo.local.browser import require
from mcp_demo.local.state import Run

Theme = Literal["JupyterLab Light", "JupyterLab Dark"]
_DEADLINE = 60.0


@dataclass(frozen=True, slots=True)
class Jupyter:
    """A JupyterLab that serves a copy of this repository's notebooks."""

    address: str
    token: str
    folder: Path

    def url(self, notebook: str) -> str:
        """The page of one notebook, on its own."""
        return f"{self.address}doc/tree/notebooks/{notebook}.ipynb?token={self.token}"


Served = Callable[[Theme], AbstractContextManager[Jupyter]]


@pytest.fixture
def jupyter(tmp_path: Path, stack: Run) -> Served:
    """Starts JupyterLab with a theme, on a free port, with settings and files of its own."""

    @contextmanager
    def served(theme: Theme) -> Generator[Jupyter]:
        folder = tmp_path / theme.replace(" ", "-")
        _lay_out(folder, theme)
        token, runtime = secrets.token_hex(16), folder / "runtime"
        environment = os.environ | {
            "MCP_DEMO_STATE": str(stack.state),
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_RUNTIME_DIR": str(runtime),
            "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
        }
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ServerApp.port=0"]
        command += [f"--ServerApp.root_dir={folder / 'files'}", f"--IdentityProvider.token={token}"]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            try:
                yield Jupyter(_address(process, runtime, folder / "log"), token, folder)
            finally:
                process.terminate()
                process.wait(20)

    return served


@pytest.fixture
def chromium() -> Generator[Browser]:
    """A browser for this test alone: kernels need an event loop, beside which a browser cannot stay."""
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require(), args=sandbox)
        yield browser
        browser.close()


def _lay_out(folder: Path, theme: Theme) -> None:
    copies = folder / "files" / "notebooks"
    shutil.copytree(NOTEBOOKS, copies, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    shutil.copytree(NOTEBOOKS.parent / "docs" / "images", folder / "files" / "docs" / "images")
    settings = {
        "apputils-extension/themes": {"theme": theme},
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        # Cells out of sight leave the page otherwise, and could not be looked at.
        "notebook-extension/tracker": {"windowingMode": "none"},
    }
    for name, values in settings.items():
        file = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(values), encoding="utf-8")


def _address(process: "subprocess.Popen[bytes]", runtime: Path, log: Path) -> str:
    deadline = time.monotonic() + _DEADLINE
    while time.monotonic() < deadline and process.poll() is None:
        for file in runtime.glob("jpserver-*.json"):
            with_text = file.read_text(encoding="utf-8")
            if with_text.endswith("}"):
                return str(json.loads(with_text)["url"])
        time.sleep(0.1)
    raise TimeoutError(f"JupyterLab does not start:\n{log.read_text(encoding='utf-8')[-2000:]}")
