"""What the endpoints share."""

from collections.abc import Callable
from dataclasses import dataclass

from mcp_demo.local.domain.browser import Browser
from mcp_demo.local.domain.grants import Grants
from mcp_demo.local.domain.pool import Pool
from mcp_demo.local.domain.signing import Signer
from mcp_demo.local.domain.store import Store
from mcp_demo.settings import DomainSettings
from mcp_demo.web.pages import Pages


@dataclass(frozen=True, slots=True)
class Parts:
    """One domain's parts; endpoints get them as a whole."""

    settings: DomainSettings
    pool: Pool
    store: Store
    grants: Grants
    browser: Browser
    signer: Signer
    pages: Pages
    clock: Callable[[], float]
