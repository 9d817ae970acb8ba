"""Where it is written: the tags in docstrings and on exchange cards, resolved to URLs.

A tag names a document and, mostly, a place in it: `RFC 9728 §3.1`, `OAuth 2.1 §4.1.3`, `CIMD §4.1`,
`MCP 2026-07-28 Authorization › Scope Challenge Handling`, `Security Best Practices › Token Passthrough`,
`OIDC Discovery §4.3`, `OIDC Core §3.1.2.1`, `Cognito docs › Token endpoint`.
"""

import re

_RFC = re.compile(r"RFC (\d{3,4})(?: §([\d.]+|[A-Z](?:\.\d+)*))?")
_DRAFT = re.compile(r"(OAuth 2\.1|CIMD|OIDC Discovery|OIDC Core)(?: §([\d.]+))?")
_MCP = re.compile(r"MCP (\d{4}-\d\d-\d\d)(?: ([A-Z][A-Za-z ]+?))?(?: › (.+))?")
_PAGE = re.compile(r"(Security Best Practices|Cognito docs)(?: › (.+))?")

_DRAFTS = {
    "OAuth 2.1": "https://datatracker.ietf.org/doc/html/draft-ietf-oauth-v2-1-13",
    "CIMD": "https://datatracker.ietf.org/doc/html/draft-ietf-oauth-client-id-metadata-document-00",
    "OIDC Discovery": "https://openid.net/specs/openid-connect-discovery-1_0.html",
    "OIDC Core": "https://openid.net/specs/openid-connect-core-1_0.html",
}
_BEST_PRACTICES = "https://modelcontextprotocol.io/docs/tutorials/security/security_best_practices"
_MCP_PAGES = {
    "Authorization": "basic/authorization",
    "Authorization Server Discovery": "basic/authorization/authorization-server-discovery",
    "Client Registration": "basic/authorization/client-registration",
    "Security Considerations": "basic/authorization/security-considerations",
    "Streamable HTTP": "basic/transports/streamable-http",
    "Transports": "basic/transports",
    "Tools": "server/tools",
}
_COGNITO = {
    "Authorize endpoint": "authorization-endpoint.html",
    "Token endpoint": "token-endpoint.html",
    "UserInfo endpoint": "userinfo-endpoint.html",
    "Login endpoint": "login-endpoint.html",
    "Logout endpoint": "logout-endpoint.html",
    "Revoke endpoint": "revocation-endpoint.html",
    "Managed login": "cognito-user-pools-managed-login.html",
    "Resource servers": "cognito-user-pools-define-resource-servers.html",
    "Access token": "amazon-cognito-user-pools-using-the-access-token.html",
    "Verifying tokens": "amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html",
    "Refresh token": "amazon-cognito-user-pools-using-the-refresh-token.html",
    "App clients": "user-pool-settings-client-apps.html",
    "Quotas": "quotas.html",
    "PKCE": "using-pkce-in-authorization-code.html",
}


def url(tag: str) -> str:
    """The URL of a tag.

    Raises:
        KeyError: The tag names a document or page that is not known here.
    """
    for pattern, resolve in ((_RFC, _rfc), (_DRAFT, _draft), (_MCP, _mcp), (_PAGE, _page)):
        if match := pattern.fullmatch(tag):
            return resolve(match)
    raise KeyError(tag)


def find_tags(text: str) -> tuple[str, ...]:
    """The tags of numbered documents in a text, e.g. in a docstring; `RFC 6749 §4.1 and §5` counts as its first."""
    return tuple(match[0].rstrip(".") for pattern in (_RFC, _DRAFT) for match in pattern.finditer(text))


def _rfc(match: re.Match[str]) -> str:
    section = match[2]
    if section is None:
        return f"https://www.rfc-editor.org/rfc/rfc{match[1]}"
    kind = "appendix" if section[0].isalpha() else "section"
    return f"https://www.rfc-editor.org/rfc/rfc{match[1]}#{kind}-{section}"


def _draft(match: re.Match[str]) -> str:
    document = _DRAFTS[match[1]]
    # OpenID documents number their sections but name their anchors, so these link to the document as a whole.
    return f"{document}#section-{match[2]}" if match[2] and "ietf" in document else document


def _mcp(match: re.Match[str]) -> str:
    if match[2] == "Security Best Practices":
        return _BEST_PRACTICES + _anchor(match[3])
    base = f"https://modelcontextprotocol.io/specification/{match[1]}"
    return f"{base}/{_MCP_PAGES[match[2]]}{_anchor(match[3])}" if match[2] else base


def _page(match: re.Match[str]) -> str:
    if match[1] == "Cognito docs":
        base = "https://docs.aws.amazon.com/cognito/latest/developerguide/"
        return base + (_COGNITO[match[2]] if match[2] else "what-is-amazon-cognito.html")
    return _BEST_PRACTICES + _anchor(match[2])


def _anchor(heading: str | None) -> str:
    if heading is None:
        return ""
    last = heading.split(" › ")[-1].lower()
    return "#" + re.sub(r"[^a-z0-9]+", "-", last).strip("-")
