"""Pages from autoescaped templates, each under a strict Content-Security-Policy of its own.

A page loads nothing: its style is inline under a nonce, there is no script. So nobody's CDN sees who signs in, and a
client name with markup in it stays text.
"""

import secrets
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader
from markupsafe import Markup
from starlette.responses import HTMLResponse

_STYLE = (Path(__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class Pages:
    """The templates of one package, over the shared ones.

    Args:
        package: A package with a folder `templates`, e.g. "mcp_demo.bridge".
        defaults: Values that every page of the package gets.
    """

    def __init__(self, package: str, **defaults: Any) -> None:
        self._environment = Environment(
            loader=ChoiceLoader([PackageLoader(package), PackageLoader("mcp_demo.web")]),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(defaults)  # pyright: ignore[reportUnknownMemberType]

    def render(
        self, template: str, *, status: int = 200, form_action: tuple[str, ...] | None = ("'self'",), **context: Any
    ) -> HTMLResponse:
        """A page as a response with its security headers.

        Args:
            template: File name below `templates`.
            status: HTTP status.
            form_action: Where forms may lead. Browsers apply it to the redirects that follow a submitted form too, so a
                form whose answer redirects to a place not known in advance needs None: no restriction.
            context: Values for the template.
        """
        nonce = secrets.token_urlsafe(16)
        page = self._environment.get_template(template).render(nonce=nonce, style=Markup(_STYLE), **context)  # noqa: S704 - our own file
        policy = [
            "default-src 'none'",
            f"style-src 'nonce-{nonce}'",
            "img-src 'self' data:",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
        if form_action is not None:
            policy.append("form-action " + " ".join(form_action))
        headers = {**SECURITY_HEADERS, "Content-Security-Policy": "; ".join(policy)}
        return HTMLResponse(page, status_code=status, headers=headers)
