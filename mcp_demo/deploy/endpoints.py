"""The addresses of the running parts: what the templates need before, and the settings after, a deployment."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mcp_demo.settings import Audience


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the parts are served.

    Attributes:
        domain: The user-pool domain; on AWS `None`, as the pool's own is meant.
        aws: The embedded AWS; `None` on AWS.
        key_dir: Where the embedded AWS keeps its signing keys; `None` on AWS.
        downstream: An API that the MCP server calls for people; empty for none, `None` to leave it as it is.
    """

    mcp: str = "http://localhost:3001/mcp"
    bridge: str = "http://localhost:3004"
    static: str = "http://localhost:3000"
    auto: str = "http://localhost:3002"
    metadata: str = "http://localhost:3003"
    domain: str | None = None
    aws: str | None = None
    key_dir: Path | None = None
    audience: Audience = "resource"
    downstream: str | None = None

    @property
    def origins(self) -> list[str]:
        """The origins of the browser clients."""
        parts = (urlsplit(url) for url in (self.static, self.auto, self.metadata))
        return [f"{part.scheme}://{part.netloc}" for part in parts]
