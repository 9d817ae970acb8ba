"""How the sign-in pages look: the pool's CSS and the configured logo and colours.

The CSS is that of Cognito's classic hosted UI (`SetUICustomization`), whose class names our pages carry too. Logo and
colours stand for a managed-login style, which the embedded AWS does not know.

Spec: Cognito docs › Apply branding to managed login pages; Customizing hosted UI (classic) branding.
"""

import logging
import mimetypes
import re
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from mcp_demo.errors import SetupError
from mcp_demo.local.domain.pool import Pool
from mcp_demo.settings import Branding

_MAX_LOGO = 100_000
_LOGO_TYPES = ("image/svg+xml", "image/png", "image/jpeg")
_REFUSED = re.compile(r"[<\\]|@import|url\s*\(|expression\s*\(", re.IGNORECASE)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """What a page adds to the common style."""

    css: Markup
    logo: str | None


class Looks:
    """The look of each app client's pages.

    Raises:
        SetupError: The logo cannot be read, is too large, or is no image.
    """

    def __init__(self, pool: Pool, branding: Branding | None) -> None:
        self._pool = pool
        self._logo = _data_uri(branding.logo) if branding and branding.logo else None
        self._colours = _colours(branding) if branding else ""

    def of(self, client_id: str) -> Look:
        """The look of the pages that an app client's sign-in shows."""
        css = self._pool.custom_css(client_id)
        if _REFUSED.search(css):
            _log.warning("the user pool's CSS loads something or has markup in it; it is left out")
            css = ""
        return Look(Markup(self._colours + css), self._logo)  # noqa: S704  # `<` is refused above


def _colours(branding: Branding) -> str:
    rules = f"--accent: {branding.accent}; --accent-fill: {branding.accent};" if branding.accent else ""
    if branding.background:
        rules += f" --bg: {branding.background};"
    return f":root {{ {rules} }}\n" if rules else ""


def _data_uri(path: Path) -> str:
    kind = mimetypes.guess_type(path)[0]
    cure = "Set MCP_DEMO_BRANDING to an SVG, PNG or JPEG file of at most 100 kB."
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SetupError(f"The logo {path} cannot be read: {error.strerror}.", cure) from None
    if kind not in _LOGO_TYPES or len(content) > _MAX_LOGO:
        raise SetupError(f"The logo {path} is too large, or not an image.", cure)
    return f"data:{kind};base64,{b64encode(content).decode('ascii')}"
