"""How people tell the suite to sign in: a name, a script for pages we do not know, or somebody at the browser."""

import os
from collections.abc import Callable, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcp_demo.errors import SetupError

if TYPE_CHECKING:
    from conformance.target import KnownClient, SignIn

At = Annotated[
    list[str] | None,
    typer.Option(
        "--sign-in-at",
        metavar="URL",
        help="Where else the password may be typed than at the authorization endpoint's origin, such as the user pool's"
        " domain behind a bridge.",
    ),
]
CURE = "Write a file with one function, `def sign_in(page): ...`; examples/sign_in_script.py is one."


def choose(
    name: str | None, script: Path | None, origins: Sequence[str] | None, *, target: str, headed: bool
) -> "SignIn | None":
    """The sign-in that the options ask for.

    Args:
        name: A user.
        script: What signs in on pages that we do not know.
        origins: Where, besides the authorization endpoint's own origin.
        target: The MCP endpoint of the server whose pages these are.
        headed: Whether somebody sits at the browser.

    Raises:
        SetupError: There is no password, no usable script, or no browser.
        BadParameter: A password may not be typed at an origin like that.
    """
    from mcp_demo.client.browser import origin_of

    for origin in origins or ():
        if origin_of(origin) is None:
            raise typer.BadParameter(f"{origin} is no https URL, and none of this machine.", param_hint="--sign-in-at")
    if headed:
        from conformance.person import Person
        from mcp_demo.client.sign_in import system_browser

        return Person(system_browser)
    if script is None and name is None:
        return None
    from conformance.traveller import BrowserTraveller
    from mcp_demo.local.browser import require

    act = load(script) if script is not None else None
    password = os.environ.get("MCP_PASSWORD", "")
    if act is None and not password:
        raise SetupError("There is no password to sign in with.", "Give it in $MCP_PASSWORD.")
    return BrowserTraveller(name or "", password, target=target, executable=require, script=act, origins=origins or ())


def load(file: Path) -> Callable[[Any], object]:
    """The function `sign_in` of a script. Its folder is not searched for modules: it is one file.

    Raises:
        SetupError: The file is none of that kind.
    """
    spec = spec_from_file_location("mcp_sign_in_script", file)
    if spec is None or spec.loader is None:
        raise SetupError(f"{file} is no Python file.", CURE)
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a stranger's file does is told in one line
        raise SetupError(f"{file} cannot be loaded: {type(error).__name__}: {error}.", CURE) from None
    found: Any = getattr(module, "sign_in", None)
    if not callable(found):
        raise SetupError(f"{file} has no function sign_in.", CURE)
    return found


def known_client(identifier: str | None, redirect_uri: str | None) -> "KnownClient | None":
    """The client that the options name.

    Raises:
        BadParameter: Only one of the two is given.
    """
    from conformance.target import KnownClient

    if (identifier is None) != (redirect_uri is None):
        raise typer.BadParameter("A client takes both --client and --redirect-uri.", param_hint="--client")
    return None if identifier is None or redirect_uri is None else KnownClient(identifier, redirect_uri)
