"""A browser for one errand: follow a URL and its redirects on this machine, as somebody does who approves everything.

It is put in front of the client under test as $BROWSER, and knows nothing of this project, so that it starts quickly.
"""

import sys
from http.client import HTTPConnection, HTTPException
from urllib.parse import urljoin, urlsplit

_HOPS = 8
_HERE = ("localhost", "127.0.0.1", "::1")


def follow(url: str) -> None:
    """Request a URL, and where the answers lead to, as long as that is on this machine."""
    for _ in range(_HOPS):
        parts = urlsplit(url)
        if parts.scheme != "http" or parts.hostname not in _HERE:
            return
        connection = HTTPConnection(parts.hostname, parts.port or 80, timeout=10)
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        connection.request("GET", target, headers={"accept": "text/html"})
        response = connection.getresponse()
        response.read()
        connection.close()
        location = response.getheader("location")
        if response.status not in (301, 302, 303, 307, 308) or not location:
            return
        url = urljoin(url, location)


if __name__ == "__main__":
    try:
        follow(sys.argv[-1])
    except (OSError, HTTPException, ValueError) as error:
        sys.exit(f"The page cannot be opened: {error}")
