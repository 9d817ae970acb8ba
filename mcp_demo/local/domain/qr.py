"""The QR code by which an authenticator app takes over a TOTP secret."""

from urllib.parse import quote, urlencode

import segno

_ISSUER = "mcp-demo (local)"


def qr_code(username: str, secret: str) -> str:
    """An image of the `otpauth` URI, as a data URI."""
    label = quote(f"{_ISSUER}:{username}")
    uri = f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': _ISSUER})}"
    return segno.make(uri, error="m").svg_data_uri(scale=5, border=3, dark="#000", light="#fff")
