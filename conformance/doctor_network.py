"""What the doctor asks below HTTP: is the name known, does somebody listen, is the certificate good, does the clock go.

The suite sees only that nobody answers. Why, tell a name lookup, a connection and a TLS handshake (RFC 9110 §4.3.4).
"""

import socket
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from statistics import median
from typing import Literal
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from mcp_demo.exchange.model import Exchange

_PATIENCE = 5.0
MOST_SKEW = 30.0
_EXPIRED, _NOT_YET, _WRONG_NAME, _SELF_SIGNED = 10, 9, 62, 18


@dataclass(frozen=True, slots=True)
class Fault:
    """Why there is no answer."""

    layer: Literal["network", "TLS"]
    name: str
    saw: str
    change: str


def unanswered(url: str, reason: str) -> Fault:
    """Find out why a URL is not answered.

    Args:
        url: The endpoint.
        reason: What the suite saw.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    try:
        with socket.create_connection((host, port), timeout=_PATIENCE):
            pass
    except socket.gaierror:
        return Fault(
            "network",
            "The name of the server is not known",
            f"There is no address for {host}.",
            "Create the DNS record (Route 53: an alias to the API Gateway domain, CloudFront or the load balancer), or"
            " correct the URL. A new record takes its TTL to be seen everywhere.",
        )
    except ConnectionRefusedError:
        return Fault(
            "network",
            "Nobody listens there",
            f"{host} refuses connections on port {port}.",
            "Start the server (ours: `mcp-demo up`), or correct the port.",
        )
    except OSError as error:
        return Fault(
            "network",
            "The server cannot be reached",
            f"{host}, port {port}: {error}.",
            "Look at security groups, network ACLs and the firewall between here and there. A private endpoint is"
            " reached from its VPC only, and by no hosted client at all.",
        )
    fault = _tls(host, port) if parts.scheme == "https" else None
    return fault or Fault(
        "network",
        "Somebody listens, but does not answer",
        f"{url}: {reason}.",
        "Look at the server's log, and whether the port is an HTTP port. An https port is called with https.",
    )


def _tls(host: str, port: int) -> Fault | None:
    try:
        _handshake(host, port, ssl.create_default_context())
    except ssl.SSLCertVerificationError as error:
        return _untrusted(host, error, _certificate(host, port))
    except (ssl.SSLError, OSError) as error:
        return Fault(
            "TLS",
            "The port does not speak TLS",
            f"{host}, port {port}: {getattr(error, 'reason', None) or error}.",
            "The listener is plain HTTP or wants a client certificate: terminate TLS on this port.",
        )
    return None


def _handshake(host: str, port: int, context: ssl.SSLContext) -> bytes | None:
    with (
        socket.create_connection((host, port), timeout=_PATIENCE) as connection,
        context.wrap_socket(connection, server_hostname=host) as secured,
    ):
        return secured.getpeercert(binary_form=True)


def _certificate(host: str, port: int) -> x509.Certificate | None:
    """The certificate, whoever vouches for it: it is only read, and nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        found = _handshake(host, port, context)
        return x509.load_der_x509_certificate(found) if found else None
    except (OSError, ValueError):
        return None


def _untrusted(host: str, error: ssl.SSLCertVerificationError, certificate: x509.Certificate | None) -> Fault:
    facts = _facts(certificate) if certificate else str(error.verify_message)
    if certificate is not None and certificate.not_valid_after_utc < datetime.now(UTC):
        return Fault(
            "TLS",
            "The certificate has expired",
            facts,
            "Renew it. ACM renews its own as long as the validation record stays in DNS; an imported one is renewed by"
            " you.",
        )
    if error.verify_code == _WRONG_NAME:
        return Fault(
            "TLS",
            "The certificate is for another name",
            f"Called was {host}. {facts}",
            f"Get a certificate that names {host} (ACM, in the API's Region; us-east-1 for CloudFront and for a Cognito"
            " custom domain), and attach it to the custom domain name.",
        )
    if error.verify_code == _SELF_SIGNED or (certificate is not None and certificate.issuer == certificate.subject):
        return Fault(
            "TLS",
            "The certificate is self-signed",
            facts,
            "No hosted client accepts it: use one from ACM or from another public authority.",
        )
    if error.verify_code == _NOT_YET:
        return Fault("TLS", "The certificate is not valid yet", facts, "Check the clock of this machine and the dates.")
    return Fault(
        "TLS",
        "Nobody known vouches for the certificate",
        f"{error.verify_message}. {facts}",
        "Serve the whole chain with its intermediate certificates, and use a public authority.",
    )


def _facts(certificate: x509.Certificate) -> str:
    try:
        extension = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
        names = [str(item.value) for item in extension] if isinstance(extension, x509.SubjectAlternativeName) else []
    except x509.ExtensionNotFound:
        names = []
    until = certificate.not_valid_after_utc.date().isoformat()
    return f"The certificate names {', '.join(names) or 'nobody'}, issued by {_who(certificate)}, good until {until}."


def _who(certificate: x509.Certificate) -> str:
    return "itself" if certificate.issuer == certificate.subject else certificate.issuer.rfc4514_string()


def skews(exchanges: Iterable[Exchange]) -> dict[str, float]:
    """By how many seconds the clock of each host differs from ours, by the `Date` of its answers (RFC 9110 §6.6.1)."""
    found: dict[str, list[float]] = {}
    for exchange in exchanges:
        stamp = exchange.response.header("date") if exchange.response else None
        try:
            there = parsedate_to_datetime(stamp).timestamp() if stamp else None
        except ValueError:
            there = None
        if there is not None:
            found.setdefault(urlsplit(exchange.request.url).netloc, []).append(there - exchange.started)
    return {host: median(values) for host, values in found.items()}
