"""What the endpoints share."""

from collections.abc import Callable
from dataclasses import dataclass

from mcp_demo.local.domain.accounts import Accounts
from mcp_demo.local.domain.branding import Looks
from mcp_demo.local.domain.browser import Browser
from mcp_demo.local.domain.grants import Grants
from mcp_demo.local.domain.lockout import Lockout
from mcp_demo.local.domain.pool import Pool
from mcp_demo.local.domain.signing import Signer
from mcp_demo.local.domain.steps import Steps
from mcp_demo.local.domain.store import Store
from mcp_demo.settings import DomainSettings
from mcp_demo.web.pages import Pages


@dataclass(frozen=True, slots=True)
class Parts:
    """One domain's parts; endpoints get them as a whole."""

    settings: DomainSettings
    pool: Pool
    accounts: Accounts
    store: Store
    grants: Grants
    browser: Browser
    steps: Steps
    lockout: Lockout
    signer: Signer
    looks: Looks
    pages: Pages
    clock: Callable[[], float]
