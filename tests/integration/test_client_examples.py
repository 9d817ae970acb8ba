"""The examples run as a reader would run them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_demo.local.browser import require
from mcp_demo.local.state import Run

EXAMPLES = Path(__file__).parents[2] / "examples"
# Stands in for the system's browser: signs in, then makes sure that the listener has heard of it.
PERSON = """
import os, sys, urllib.request
from contextlib import suppress
from mcp_demo.client.browser import HeadlessBrowser
url = sys.argv[1]
redirect = urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["redirect_uri"][0]
person = HeadlessBrowser(os.environ["DEMO_USER"], os.environ["DEMO_PASSWORD"], executable=os.environ["DEMO_CHROMIUM"])
answer = person(url, redirect)
with suppress(OSError):
    urllib.request.urlopen(answer, timeout=5).close()
"""


@pytest.mark.parametrize("name", ["script.py", "async_call.py", "sdk.py"])
def test_an_example_gets_in_through_the_systems_browser(name: str, stack: Run, tmp_path: Path) -> None:
    person = tmp_path / "person.py"
    person.write_text("import urllib.parse\n" + PERSON)
    environment = {
        **os.environ,
        "BROWSER": f"{sys.executable} {person} %s &",
        "DEMO_USER": stack.user.username,
        "DEMO_PASSWORD": stack.user.password,
        "DEMO_CHROMIUM": str(require()),
    }
    command = [sys.executable, EXAMPLES / name, stack.server, stack.client_id]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, done.stderr
    assert stack.user.username in done.stdout
