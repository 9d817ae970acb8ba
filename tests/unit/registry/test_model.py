import json

import pytest

from mcp_demo.registry.composition import FixedRegistry, Registries, settings_registry
from mcp_demo.registry.model import Client, hash_secret, new_secret, secret_matches


def test_a_secret_is_recognized_by_its_hash_only() -> None:
    secret = new_secret()
    assert secret_matches(secret, hash_secret(secret))
    assert not secret_matches(secret + "x", hash_secret(secret))
    assert not secret_matches(None, hash_secret(secret))
    assert not secret_matches(secret, None)


def test_a_client_expires_at_the_very_second() -> None:
    client = Client(client_id="a", redirect_uris=("https://a.example/cb",), expires=100.0)
    assert [client.is_usable(now) for now in (99.0, 100.0, 101.0)] == [True, False, False]


@pytest.mark.parametrize("status", ["pending", "denied"])
def test_a_client_that_is_not_approved_is_not_usable(status: str) -> None:
    client = Client(client_id="a", redirect_uris=(), status=status)  # pyright: ignore[reportArgumentType]
    assert not client.is_usable(0.0)


def test_no_hash_shows_in_the_representation_of_a_client() -> None:
    client = Client(client_id="a", redirect_uris=(), secret_hash="planted", registration_access_token_hash="planted")
    assert "planted" not in repr(client)


def test_settings_clients_are_read_with_their_defaults() -> None:
    document = json.dumps(
        [{"client_id": "static", "redirect_uris": ["http://localhost:3000/callback"], "scope": "a b"}]
    )
    client = settings_registry(document).get("static")
    assert client is not None
    assert client.is_public()
    assert client.scopes == ("a", "b")
    assert client.source == "pre-registered"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ("{", "not JSON"),
        ("{}", "not a JSON array"),
        ("[1]", "entry 0 has no `client_id`"),
        ('[{"redirect_uris": []}]', "entry 0 has no `client_id`"),
        ('[{"client_id": "a"}]', "a: `redirect_uris` has to name"),
        ('[{"client_id": "a", "redirect_uris": "https://a.example/"}]', "redirect_uris.* is not an array of strings"),
        ('[{"client_id": "a", "redirect_uris": ["https://a.example/"], "scope": "a  b"}]', "a: `scope` is not a list"),
        (
            '[{"client_id": "a", "redirect_uris": ["https://a.example/"], "token_endpoint_auth_method": "tls"}]',
            "unknown",
        ),
    ],
)
def test_a_wrong_settings_document_says_what_is_wrong(document: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        settings_registry(document)


def _fixed(*names: str) -> FixedRegistry:
    return FixedRegistry(Client(client_id=name, redirect_uris=(f"https://{name}.example/cb",)) for name in names)


def test_pages_of_several_registries_follow_one_another() -> None:
    registry = Registries([_fixed("c", "a", "b"), _fixed("d"), _fixed("e", "f")])
    seen: list[str] = []
    after: str | None = None
    for _ in range(10):
        page = registry.list(after=after, limit=2)
        seen += [client.client_id for client in page.clients]
        after = page.after
        if after is None:
            break
    assert seen == ["a", "b", "c", "d", "e", "f"]


def test_the_first_registry_that_knows_an_id_answers_for_it() -> None:
    impostor = FixedRegistry([Client(client_id="a", redirect_uris=("https://evil.example/cb",))])
    found = Registries([_fixed("a"), impostor]).get("a")
    assert found is not None
    assert found.redirect_uris == ("https://a.example/cb",)
