"""Which addresses are on the public internet, for everything that connects to a name which a stranger chose.

Spec: MCP 2026-07-28 Security Best Practices › Server-Side Request Forgery, RFC 9728 §7.7.
"""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, also where IPv6 carries an IPv4 address inside."""
    inner = plain_address(address)
    site_local = isinstance(inner, ipaddress.IPv6Address) and inner.is_site_local
    return inner.is_global and not (inner.is_multicast or inner.is_reserved or inner.is_link_local or site_local)


def is_public_text(text: str) -> bool:
    """The same for an address as a resolver gives it; one with a zone is link-local, so not public."""
    try:
        return is_public(ipaddress.ip_address(text))
    except ValueError:
        return False


def plain_address(address: Address) -> Address:
    """The IPv4 address that an IPv6 address carries, else the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    embedded = address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1]
    if embedded is None and address in _NAT64:
        embedded = ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return embedded or address
