from typing import Any

import pytest

from mcp_demo.oauth.errors import MetadataInvalid, ResourceMismatch
from mcp_demo.oauth.resource_metadata import (
    ResourceMetadata,
    candidate_urls,
    parse,
    validate_resource,
    well_known_url,
)

# RFC 9728 §3.2
PUBLISHED: dict[str, Any] = {
    "resource": "https://resource.example.com",
    "authorization_servers": ["https://as1.example.com", "https://as2.example.net"],
    "bearer_methods_supported": ["header", "body"],
    "scopes_supported": ["profile", "email", "phone"],
    "resource_documentation": "https://resource.example.com/resource_documentation.html",
}
MCP = "https://resource.example.com/mcp"


def test_the_published_document_is_read_and_published_again() -> None:
    metadata = parse({**PUBLISHED, "unknown": {}})
    assert metadata.authorization_servers == ("https://as1.example.com", "https://as2.example.net")
    assert metadata.as_dict() == PUBLISHED


@pytest.mark.parametrize(
    ("resource", "url"),
    [
        ("https://resource.example.com", "https://resource.example.com/.well-known/oauth-protected-resource"),
        ("https://resource.example.com/", "https://resource.example.com/.well-known/oauth-protected-resource"),
        (
            "https://resource.example.com/resource1",
            "https://resource.example.com/.well-known/oauth-protected-resource/resource1",
        ),
        ("https://a.example/mcp/", "https://a.example/.well-known/oauth-protected-resource/mcp/"),
        ("https://a.example/mcp?k=1", "https://a.example/.well-known/oauth-protected-resource/mcp?k=1"),
        ("https://a.example/?k=1", "https://a.example/.well-known/oauth-protected-resource?k=1"),
        ("http://localhost:3001/mcp", "http://localhost:3001/.well-known/oauth-protected-resource/mcp"),
    ],
)
def test_the_well_known_path_is_inserted_between_host_and_path(resource: str, url: str) -> None:
    assert well_known_url(resource) == url


def test_the_path_form_is_tried_before_the_root() -> None:
    root = "https://example.com/.well-known/oauth-protected-resource"
    assert candidate_urls("https://example.com/public/mcp") == (root + "/public/mcp", root)
    assert candidate_urls("https://example.com/") == (root,)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {**PUBLISHED, "resource": None},
        {**PUBLISHED, "resource": ""},
        {**PUBLISHED, "resource": ["https://resource.example.com"]},
        {**PUBLISHED, "authorization_servers": None},
        {**PUBLISHED, "authorization_servers": []},
        {**PUBLISHED, "authorization_servers": "https://as1.example.com"},
        {**PUBLISHED, "authorization_servers": ["https://as1.example.com", ""]},
        {**PUBLISHED, "authorization_servers": [None]},
        {**PUBLISHED, "scopes_supported": {"profile": 1}},
        {**PUBLISHED, "resource_name": 5},
        {**PUBLISHED, "resource_name": "\ud800"},
    ],
)
def test_a_document_that_is_not_what_it_should_be_is_refused(document: object) -> None:
    with pytest.raises(MetadataInvalid):
        parse(document)


def metadata_of(resource: str) -> ResourceMetadata:
    return ResourceMetadata(resource, ("https://as1.example.com",))


@pytest.mark.parametrize(
    "resource",
    [
        MCP + "/",
        MCP + "2",
        "https://RESOURCE.example.com/mcp",
        "https://resource.example.com:443/mcp",
        "https://resource.example.com/%6dcp",
        "https://resource.example.com",
        "https://evil.example/mcp",
    ],
)
def test_metadata_of_another_resource_is_refused(resource: str) -> None:
    validate_resource(metadata_of(MCP), MCP)
    with pytest.raises(ResourceMismatch):
        validate_resource(metadata_of(resource), MCP)


@pytest.mark.parametrize("resource", [MCP, "https://resource.example.com", "https://resource.example.com/"])
def test_a_document_at_the_root_may_speak_for_the_origin(resource: str) -> None:
    validate_resource(
        metadata_of(resource), MCP, found_at="https://resource.example.com/.well-known/oauth-protected-resource"
    )


@pytest.mark.parametrize(
    "found_at", [None, well_known_url(MCP), "https://evil.example/.well-known/oauth-protected-resource"]
)
def test_a_document_elsewhere_may_not(found_at: str | None) -> None:
    with pytest.raises(ResourceMismatch):
        validate_resource(metadata_of("https://resource.example.com"), MCP, found_at=found_at)
