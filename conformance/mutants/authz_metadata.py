"""Bugs in the metadata, and in who may read what."""

# Stand-ins are given by the path of what they replace, so their parameters have no type to infer.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

from dataclasses import replace
from typing import Any

from conformance.mutants.authz_messages import JSON, WELL_KNOWN, form, query, with_query
from conformance.mutants.authz_plant import broken, mutant
from conformance.mutants.authz_reference import Lab
from conformance.mutants.plant import Answer, Forward, Seen


def _document(name: str, bug: str, check: str, **members: Any) -> None:
    """A bug in the metadata; a value of ... leaves a member out."""

    async def changed(seen: Seen, forward: Forward, lab: Lab) -> Answer:
        answer = await forward(seen)
        if seen.path != WELL_KNOWN or seen.method != "GET":
            return answer

        def change(document: dict[str, Any]) -> None:
            for key, value in members.items():
                made = value(lab, document) if callable(value) else value
                document.pop(key, None) if made is ... else document.__setitem__(key, made)

        return answer.document(change)

    changed.__name__, changed.__doc__ = name, bug
    mutant(check)(changed)


@mutant("as.metadata.published")
async def has_no_metadata(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The metadata is nowhere."""
    return Answer(404) if seen.path == WELL_KNOWN else await forward(seen)


@mutant("as.metadata.location", path="/t")
async def appends_the_well_known_part(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The issuer has a path, and the well-known part is put behind it."""
    return (
        await forward(replace(seen, path=seen.path.removeprefix("/t"))) if seen.path.startswith("/t/") else Answer(404)
    )


_document(
    "issuer_with_slash",
    "The issuer in the metadata ends with a slash.",
    "as.metadata.issuer",
    issuer=lambda lab, _: lab.bridge + "/",
)
_document("emits_null", "A member that is not set is null.", "as.metadata.fields", service_documentation=None)
_document(
    "no_response_types", "response_types_supported is missing.", "as.metadata.fields", response_types_supported=...
)
_document("no_pkce", "PKCE is not announced.", "as.metadata.pkce", code_challenge_methods_supported=...)
_document(
    "offers_plain",
    "The method plain is announced.",
    "as.metadata.pkce",
    code_challenge_methods_supported=["S256", "plain"],
)
_document(
    "dead_endpoint",
    "An endpoint is announced that is not there.",
    "as.metadata.truthful",
    introspection_endpoint=lambda lab, _: lab.bridge + "/introspect",
)
_document(
    "omits_none",
    "Public clients are admitted, but not announced.",
    "as.metadata.truthful",
    token_endpoint_auth_methods_supported=["client_secret_basic"],
)
_document(
    "inner_http",
    "An endpoint is announced by its inner address.",
    "as.transport.https",
    jwks_uri="http://bridge.internal:8080/keys",
)
_document(
    "hides_documents",
    "URLs are client ids, but the metadata does not say so.",
    "as.documents.flag",
    client_id_metadata_document_supported=...,
)
_document(
    "hides_iss",
    "iss is sent, but not announced.",
    "as.response.iss-flag",
    authorization_response_iss_parameter_supported=...,
)
broken(
    "plain_http",
    "All endpoints work by plain http too.",
    "as.transport.https",
    scheme="https",
    plain=True,
)


@mutant("as.metadata.truthful")
async def refuses_posted_secrets(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """client_secret_post is announced, but a secret in the body is not read."""
    if seen.path == "/token" and "client_secret" in form(seen) and not seen.header(b"authorization"):
        return Answer(401, [JSON, (b"www-authenticate", b"Basic")], b'{"error": "invalid_client"}')
    return await forward(seen)


broken("no_documents", "URLs are no client ids.", "as.documents.supported", settings={"metadata_documents": False})


@mutant("as.metadata.fields")
async def metadata_as_text(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The metadata is text/plain."""
    answer = await forward(seen)
    return answer.with_header(b"content-type", b"text/plain") if seen.path == WELL_KNOWN else answer


@mutant("as.documents.flag")
async def ignores_documents(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """The flag is set, but a URL is an unknown client."""
    foreign = seen.path == "/authorize" and query(seen).get("client_id", "").startswith("http")
    return await forward(with_query(seen, client_id="unknown")) if foreign else await forward(seen)


@mutant("as.cors.endpoints")
async def cors_on_metadata_only(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """Pages may read the metadata, but not the tokens."""
    answer = await forward(seen)
    return answer.with_header(b"access-control-allow-origin", None) if seen.path == "/token" else answer


@mutant("as.cors.not-authorize")
async def cors_everywhere(seen: Seen, forward: Forward, lab: Lab) -> Answer:
    """CORS covers the authorization endpoint."""
    answer = await forward(seen)
    return answer.with_header(b"access-control-allow-origin", b"*") if seen.path == "/authorize" else answer
