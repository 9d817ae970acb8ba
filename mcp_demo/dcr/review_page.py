"""The pages of a review, in the look of all pages here. Made with the standard library: the zip has nothing else."""

import secrets
from html import escape
from importlib.resources import files
from typing import Any

from mcp_demo import web
from mcp_demo.oauth.redirect_uri import is_loopback
from mcp_demo.registry.model import Client

Answer = dict[str, Any]

_STYLE = files(web).joinpath("templates/style.css").read_text(encoding="utf-8")
_NARROW = "@media (max-width: 30rem) { .kv { grid-template-columns: minmax(0, 1fr); gap: .2rem; } }"


def question(client: Client, link: str) -> Answer:
    """Whether to approve a client, with what it says of itself."""
    uris = "".join(f"<li class='mono'>{escape(uri)}</li>" for uri in client.redirect_uris)
    loopback = ""
    if any(is_loopback(uri) for uri in client.redirect_uris):
        loopback = (
            "<p class='notice warn'>Answers go to a program on each person's own computer. Any program there could use "
            "this application's name.</p>"
        )
    return _page(
        200,
        "Approve this application?",
        f"""<p>It has registered itself and asks to sign people in. Nobody has checked what it says.</p>
<dl class="kv">
<dt>It calls itself</dt><dd><strong>{escape(client.client_name or "not told")}</strong></dd>
<dt>Its home page</dt><dd class="mono">{escape(client.client_uri or "not told")}</dd>
<dt>Answers go to</dt><dd><ul class="plain">{uris}</ul></dd>
<dt>Client id</dt><dd class="mono muted small">{escape(client.client_id)}</dd>
</dl>
{loopback}
<form method="post" action="review" class="row">
<input type="hidden" name="link" value="{escape(link)}">
<button class="primary" name="decision" value="approve">Approve</button>
<button class="danger" name="decision" value="deny">Deny</button>
</form>""",
    )


def decided(client: Client, word: str, *, status: int = 200) -> Answer:
    """What was decided."""
    effect = "People can sign in with it." if client.status == "active" else "Nobody can sign in with it."
    return _page(
        status,
        f"The application is {word}",
        f"""<p><strong>{escape(client.client_name or client.client_id)}</strong>: {effect}</p>
<p class="muted small">To change it: <code>mcp-demo clients {"deny" if client.status == "active" else "approve"}
{escape(client.client_id)}</code></p>""",
    )


def note(status: int, title: str, text: str) -> Answer:
    """Why there is nothing to decide."""
    return _page(status, title, f"<p>{escape(text)}</p>")


def _page(status: int, title: str, main: str) -> Answer:
    nonce = secrets.token_urlsafe(16)
    body = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<link rel="icon" href="data:,">
<style nonce="{nonce}">{_STYLE}{_NARROW}</style>
</head>
<body>
<header class="top"><span class="mark" aria-hidden="true"></span><strong>mcp-demo</strong>
<span class="muted">client registration</span></header>
<main id="main" class="page narrow"><div class="card stack">
<h1>{escape(title)}</h1>
{main}
</div></main>
</body>
</html>
"""
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
    headers = {
        "Content-Type": "text/html; charset=utf-8",
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex",
    }
    return {"statusCode": status, "headers": headers, "body": body, "isBase64Encoded": False}
