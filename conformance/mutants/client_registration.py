"""Bugs planted in the client: how it becomes known to an authorization server."""

# Stand-ins are given by the path of what they replace, so their parameters have no type to infer.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from conformance.mutants.client_messages import registers
from conformance.mutants.client_plant import planted
from mcp_demo.client import registration
from mcp_demo.client.registration import Identity, Registration
from mcp_demo.client.registration_answer import Answer
from mcp_demo.exchange.model import Response

_WAYS = "mcp_demo.client.registration"


_register = registration.register
_dynamic = registration._dynamic  # pyright: ignore[reportPrivateUsage]


def _registering(change: Callable[[Identity, Any], tuple[Identity, Any]]) -> Mapping[str, Any]:
    def register(identity: Identity, metadata: Any, *others: Any) -> Any:
        return _register(*change(identity, metadata), *others)

    return {f"{_WAYS}.register": register}


def _nobody(identity: Identity) -> Identity:
    return replace(identity, client_id=None, client_secret=None)


planted(
    "registers-though-known",
    "A client that has credentials registers wherever that is offered.",
    "registration.priority",
    rules=_registering(
        lambda identity, metadata: (_nobody(identity) if metadata.registration_endpoint else identity, metadata)
    ),
)
planted(
    "registers-despite-document",
    "A client with a metadata document registers wherever that is offered.",
    "registration.priority",
    rules=_registering(
        lambda identity, metadata: (
            identity,
            replace(
                metadata,
                client_id_metadata_document_supported=metadata.client_id_metadata_document_supported
                and not metadata.registration_endpoint,
            ),
        )
    ),
)
planted(
    "no-given-credentials",
    "The client cannot be given a client id.",
    "registration.given-credentials",
    rules=_registering(lambda identity, metadata: (_nobody(identity), metadata)),
)
planted(
    "given-id-everywhere",
    "A given client id is shown to whatever issuer the server names.",
    "issuer.new-credentials",
    rules=_registering(lambda identity, metadata: (replace(identity, issuer=None), metadata)),
)
planted(
    "no-documents",
    "The client knows nothing of metadata documents.",
    "registration.document",
    rules=_registering(lambda identity, metadata: (replace(identity, metadata_url=None), metadata)),
)
planted(
    "document-everywhere",
    "The URL of the metadata document is sent to issuers that never said they take it.",
    "registration.document",
    "registration.dynamic",
    rules=_registering(
        lambda identity, metadata: (identity, replace(metadata, client_id_metadata_document_supported=True))
    ),
)

_DOTTED = "https://client.conformance.example/a/../client.json"
planted(
    "document-with-dots",
    "The URL of the metadata document has dot segments.",
    "registration.document-url",
    rules={"conformance.reference_client.METADATA_URL": _DOTTED},
    document={"client_id": _DOTTED},
)
planted(
    "document-on-loopback",
    "The metadata document is at an address without TLS.",
    "registration.document-url",
    rules={"conformance.reference_client.METADATA_URL": "http://localhost:3003/client.json"},
    document={"client_id": "http://localhost:3003/client.json"},
)
planted(
    "document-of-another",
    "The metadata document says that it lies elsewhere.",
    "registration.document-content",
    document={"client_id": "https://cdn.conformance.example/client.json"},
)
planted(
    "document-with-secret",
    "The metadata document declares a method that takes a shared secret.",
    "registration.document-content",
    document={"token_endpoint_auth_method": "client_secret_post"},
)


def _hard_coded(identity: Identity, metadata: Any, *others: Any) -> Any:
    del identity, others
    return Registration(metadata.issuer, "hard-coded", "dynamic")
    yield


def _twice(*arguments: Any) -> Any:
    yield from _dynamic(*arguments)
    return (yield from _dynamic(*arguments))


planted(
    "hard-coded-id",
    "The client has an id of its own making, and never registers.",
    "registration.dynamic",
    rules={f"{_WAYS}._dynamic": _hard_coded},
)
planted(
    "registers-twice", "Each registration is made twice.", "registration.dynamic", rules={f"{_WAYS}._dynamic": _twice}
)


planted(
    "no-application-type",
    "The registration does not say what kind of application it is for.",
    "registration.application-type",
    sends=registers(application_type=None),
)
planted(
    "web-on-loopback",
    "A program on this machine registers as a web application.",
    "registration.application-type",
    sends=registers(application_type="web"),
)


def _undefined(response: Response, issuer: str) -> Answer:
    said = json.loads(response.body)
    return Answer(client_id=str(said.get("client_id", "undefined")), client_secret=said.get("client_secret"))


def _stubborn(*arguments: Any) -> Any:
    for _ in range(9):
        try:
            return (yield from _dynamic(*arguments))
        except registration.RegistrationFailed:
            continue
    return (yield from _dynamic(*arguments))


planted(
    "undefined-client",
    "A refused registration is taken for one without a client id.",
    "registration.refused",
    rules={f"{_WAYS}.read": _undefined},
)
planted(
    "stubborn-registration",
    "A refused registration is tried again and again.",
    "registration.refused",
    rules={f"{_WAYS}._dynamic": _stubborn},
)
planted(
    "no-refresh-grant",
    "The registration leaves grant_types to the default, which has no refresh_token.",
    "registration.grant-types",
    sends=registers(grant_types=None),
)
