"""What the routes of one browser client share: its settings, its sessions, its pages."""

import httpx
from fastapi import Response
from markupsafe import Markup

from mcp_demo.client.engine import Engine
from mcp_demo.client.policy import Policy
from mcp_demo.client.storage import MemoryStore, Vault
from mcp_demo.client.transport import open_async
from mcp_demo.client.web import kinds
from mcp_demo.client.web.kinds import Kind
from mcp_demo.client.web.person import Person
from mcp_demo.exchange import card
from mcp_demo.settings import ClientSettings
from mcp_demo.web.pages import Pages
from mcp_demo.web.sessions import Session, Sessions


class Site:
    """One browser client.

    Args:
        kind: Which of the three.
        settings: Its settings.
        transport: Takes the requests to the servers, in tests.
    """

    def __init__(self, kind: Kind, settings: ClientSettings, transport: httpx.AsyncBaseTransport | None) -> None:
        self.kind, self.settings = kind, settings
        self.sessions = Sessions(f"mcp-demo-{kind.name}", secure=settings.client_url.startswith("https:"))
        self.http = httpx.AsyncClient(transport=transport) if transport else open_async(settings.mcp_url)
        self.callback_url = kinds.callback_url(settings)
        self._identity = kind.identify(settings)
        self._registrations = MemoryStore()
        self._pages = Pages("mcp_demo.client.web", product=kind.title, role="MCP client")

    def person(self, session: Session) -> Person:
        """The person of a session; a new one at first sight."""
        if "person" not in session.data:
            vault = Vault(MemoryStore(), self._registrations)
            # A client id that was given to us is of one authorization server: there is nothing to choose.
            policy = Policy() if self._identity.client_id else Policy(choose=lambda offered: person.choose(offered))
            engine = Engine(self.settings.mcp_url, self._identity, self.callback_url, vault, policy)
            person = session.data["person"] = Person(engine)
        return session.data["person"]

    def home(self, session: Session) -> Response:
        """The one page there is. Its forms lead on to the authorization server, so they are not restricted."""
        person = self.person(session)
        grant = person.engine.vault.grant(self.settings.mcp_url)
        cards = [card.to_html(hop, number, inline=False, folded=True) for number, hop in enumerate(person.hops, 1)]
        return self._pages.render(
            "home.html",
            form_action=None,
            kind=self.kind,
            settings=self.settings,
            csrf=session.csrf,
            person=person,
            grant=grant,
            registration=person.engine.vault.newest_registration(),
            hops=[Markup(html) for html in cards],  # noqa: S704 - the card escapes
            card_style=Markup(card.STYLE),  # noqa: S704 - our own
        )

    def stop(self, heading: str, explanation: str, status: int) -> Response:
        """A page that says why it goes no further."""
        return self._pages.render(
            "error.html",
            status=status,
            heading=heading,
            explanation=explanation,
            back="/",
            back_text="Back to the client",
        )
