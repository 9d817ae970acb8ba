"""A server with TLS that nobody vouches for, at the other end of a proxy's tunnel (RFC 9110 §9.3.6)."""

import ssl
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mcp_demo.exchange.model import Request

_MAX_HEAD = 16 * 1024


def listen(handler: BaseHTTPRequestHandler, receive: Callable[[Request], object]) -> None:
    """Say hello with a certificate of our own making, and tell of a request that comes all the same."""
    host = handler.path.rpartition(":")[0]
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.flush()
    handler.close_connection = True
    try:
        with _context(host).wrap_socket(handler.connection, server_side=True) as tunnel:
            head = tunnel.recv(_MAX_HEAD).decode("latin-1")
            words = head.partition("\r\n")[0].split(" ")
            if len(words) == 3:
                receive(Request(words[0], f"https://{host}{words[1]}"))
                tunnel.sendall(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    except (OSError, ValueError):  # the client does not trust us, and is right
        return


@cache
def _context(host: str) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "both.pem"
        file.write_bytes(private + certificate.public_bytes(pem))
        context.load_cert_chain(file)
    return context
