"""The revisions of MCP that this client speaks, and since when what holds.

One setting, `Policy(revision=...)`, by default the newest. A client of the newest revision finds its way into servers
of the older ones by itself, since what they lack is optional to it: metadata of either kind is taken, scopes are asked
for where they are named, `iss` is compared where it is announced, and the handshake is made where it has to be. The
setting is for clients that must not do what an older revision does not know.
"""

from typing import Final, Literal, TypeAlias

Revision: TypeAlias = Literal["2025-06-18", "2025-11-25", "2026-07-28"]
Topic: TypeAlias = Literal[
    "resource metadata without a pointer",
    "OpenID Connect Discovery",
    "advertised S256",
    "metadata documents",
    "scope challenges",
    "application type",
    "announced issuer",
    "offline access",
    "no handshake",
]

NEWEST: Final[Revision] = "2026-07-28"
SINCE: Final[dict[Topic, Revision]] = {
    "resource metadata without a pointer": "2025-11-25",  # SEP-985; before, the 401 had to name the URL
    "OpenID Connect Discovery": "2025-11-25",  # before, RFC 8414 alone
    "advertised S256": "2025-11-25",  # before, metadata that says nothing of PKCE was no reason to refuse
    "metadata documents": "2025-11-25",  # CIMD
    "scope challenges": "2025-11-25",  # SEP-835: selection of scopes, and step-up
    "application type": "2026-07-28",  # SEP-837
    "announced issuer": "2026-07-28",  # SEP-2468; before, an `iss` that is there was compared, but none was demanded
    "offline access": "2026-07-28",  # SEP-2207
    "no handshake": "2026-07-28",  # each request says all, there is no session
}


def knows(revision: Revision, topic: Topic) -> bool:
    """Whether a revision has something."""
    return revision >= SINCE[topic]
