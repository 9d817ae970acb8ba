"""Which browser is used, and what is said when there is none."""

import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from mcp_demo.errors import SetupError
from mcp_demo.local import browser


@pytest.fixture(autouse=True)
def nothing_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Path]:
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv("PLAYWRIGHT_BROWSERS_PATH", str(tmp_path / "playwright"))
    monkeypatch.delenv("MCP_DEMO_BROWSER", raising=False)
    monkeypatch.setattr(browser, "_APPLICATIONS", ())
    browser.find.cache_clear()
    yield programs
    browser.find.cache_clear()


def _program(path: Path, output: str, code: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{output}'\nexit {code}\n")
    path.chmod(0o755)
    return path


def test_a_browser_on_the_path_is_found(nothing_installed: Path) -> None:
    program = _program(nothing_installed / "google-chrome", "Google Chrome 140.0")
    assert browser.find() == program
    assert browser.ensure() == f"Browser: {program} (was there)"


def test_a_stub_that_only_asks_for_a_snap_is_no_browser(nothing_installed: Path) -> None:
    _program(nothing_installed / "chromium-browser", "Please run: snap install chromium", code=1)
    program = _program(nothing_installed / "google-chrome", "Google Chrome 140.0")
    assert browser.find() == program


def test_playwrights_newest_browser_is_found(tmp_path: Path) -> None:
    _program(tmp_path / "playwright/chromium-1200/chrome-linux/chrome", "Chromium 139.0")
    newest = _program(tmp_path / "playwright/chromium-1300/chrome-linux64/chrome", "Chromium 140.0")
    assert browser.find() == newest


def test_the_named_browser_comes_first(
    nothing_installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(nothing_installed / "chromium", "Chromium 140.0")
    named = _program(tmp_path / "mine", "Chromium 141.0")
    monkeypatch.setenv("MCP_DEMO_BROWSER", str(named))
    assert browser.find() == named


def test_no_browser_is_a_set_up_error_that_tells_how_to_get_one() -> None:
    assert browser.find() is None
    with pytest.raises(SetupError, match="no Chromium") as caught:
        browser.require()
    assert "python -m mcp_demo.local.browser" in caught.value.cure


def test_an_installation_that_fails_is_one_line_and_exit_code_four(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PLAYWRIGHT_DOWNLOAD_HOST", "http://127.0.0.1:9")
    done = subprocess.run(
        [sys.executable, "-m", "mcp_demo.local.browser"], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (4, "")
    assert len(done.stderr.splitlines()) == 1
    assert "could be installed (Playwright: " in done.stderr


def test_what_is_installed_is_said(nothing_installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = nothing_installed / "chromium"
    _program(nothing_installed / "install", "").write_text(
        f"#!/bin/sh\n/bin/cat > {program} <<'X'\n#!/bin/sh\necho Chromium 140\nX\n/bin/chmod 755 {program}\n"
    )
    monkeypatch.setattr(browser, "_installations", lambda: iter([("somewhere", [["install"]])]))
    assert browser.ensure() == f"Browser: {program} (installed from somewhere)"
