"""Reading requests strictly: parameters once, forms only, everything of limited size."""

from urllib.parse import parse_qsl

from starlette.requests import Request

from mcp_demo.oauth.authorization import single_valued
from mcp_demo.oauth.errors import InvalidRequest, InvalidTarget
from mcp_demo.oauth.resource import canonical

_MAX_BODY = 32_768
_MAX_QUERY = 16_384
_MAX_FIELDS = 60
Pairs = list[tuple[str, str]]


def query_pairs(request: Request) -> Pairs:
    """The parameters of the query, in order, with those that repeat.

    Raises:
        InvalidRequest: Too long, too many, or not UTF-8.
    """
    raw = request.scope["query_string"]
    if len(raw) > _MAX_QUERY:
        raise InvalidRequest("The request is too long.")
    return _decode(raw)


async def form_pairs(request: Request) -> Pairs:
    """The parameters of a form body.

    Raises:
        InvalidRequest: Not a form, too long, too many fields, or not UTF-8.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        raise InvalidRequest("The body must be application/x-www-form-urlencoded.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise InvalidRequest("The body is too long.", status=413)
    return _decode(bytes(body))


def values(pairs: Pairs, name: str) -> list[str]:
    """All values of a parameter that are not empty."""
    return [value for key, value in pairs if key == name and value]


def only(pairs: Pairs, *, resource: str) -> dict[str, str]:
    """The parameters by name, each at most once; of `resource` only whether it is the one there is.

    A missing `resource` means the only one: the client says less than MCP asks of it, and gets no more for it.

    Spec: RFC 6749 §3.1 and §3.2, RFC 8707 §2 (which allows `resource` to repeat).

    Args:
        pairs: The parameters.
        resource: The canonical URI of the resource that tokens are issued for.

    Raises:
        InvalidRequest: A parameter is included more than once.
        InvalidTarget: A resource that is not ours is asked for.
    """
    parameters = single_valued((name, value) for name, value in pairs if name != "resource")
    for value in values(pairs, "resource"):
        if _comparable(value) != _comparable(resource):
            raise InvalidTarget(f"Tokens are issued for {resource} only.")
    return parameters


def _comparable(value: str) -> str:
    uri = canonical(value)
    # An empty path and "/" are the same (RFC 3986 §6.2.3), and URL parsers like to add the slash.
    return uri.removesuffix("/") if uri.count("/") == 3 else uri


def _decode(raw: bytes) -> Pairs:
    try:
        return parse_qsl(
            raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS, separator="&"
        )
    except ValueError as error:  # includes UnicodeDecodeError
        raise InvalidRequest("The parameters are not readable as form-encoded UTF-8.") from error
