"""Scenarios: how a client becomes known to an authorization server, and how it authenticates to it."""

from conformance.personas.scenario import scenario, scenario_with_credentials, variant
from conformance.personas.world import World


@scenario_with_credentials
def all_ways(world: World) -> None:
    """The client has credentials, and the issuer takes metadata documents and registrations too."""
    world.issuer.members["client_id_metadata_document_supported"] = True


@scenario
def documents_and_registration(world: World) -> None:
    """The issuer takes metadata documents and registrations."""
    world.issuer.members["client_id_metadata_document_supported"] = True


@scenario
def documents_only(world: World) -> None:
    """The issuer takes metadata documents and no registrations."""
    world.issuer.members |= {"client_id_metadata_document_supported": True, "registration_endpoint": None}


@scenario_with_credentials
def credentials_only(world: World) -> None:
    """The client has credentials, and the issuer offers no other way in."""
    world.issuer.members["registration_endpoint"] = None


@scenario
def registration_refused(world: World) -> None:
    """The issuer refuses registrations because of the redirect URI."""
    world.issuer.refusal = "invalid_redirect_uri"


def _registered_with(method: str) -> None:
    def prepare(world: World) -> None:
        world.issuer.members["token_endpoint_auth_methods_supported"] = [method]
        world.issuer.registered["token_endpoint_auth_method"] = method
        if method == "none":
            world.issuer.registered["client_secret"] = None

    variant(f"registered-with-{method.replace('_', '-')}", f"The issuer registers the method {method}", prepare)


for _method in ("none", "client_secret_basic", "client_secret_post"):
    _registered_with(_method)


@scenario
def issuer_changes(world: World) -> None:
    """After the first call the server names another issuer, and after the next one the first issuer again."""
    _change_issuers(world)


@scenario_with_credentials
def issuer_changes_with_credentials(world: World) -> None:
    """The same with a client that has credentials of the first issuer."""
    _change_issuers(world)


def _change_issuers(world: World) -> None:
    """One call for each issuer: the first one, the other one, and the first one again."""
    for issuer in (world.issuer, world.other_issuer):
        issuer.short, issuer.lifetime = 1, 3600
    order = [[world.other_issuer], [world.issuer]]
    server = world.server

    def next_issuer(token: str) -> None:
        spent = server.issuers[0].access_tokens.get(token)
        if order and spent is not None and not spent.is_alive():
            server.issuers = order.pop(0)

    server.after = next_issuer
