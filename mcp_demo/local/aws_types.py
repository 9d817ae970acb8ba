"""A type of resource that MiniStack's CloudFormation does not know although its Cognito does: identity providers.

They are made by the API calls that CloudFormation makes on AWS, so that the templates need no exception for them.
"""

import json
from importlib import import_module
from typing import Any

TYPE = "AWS::Cognito::UserPoolIdentityProvider"
"""The type."""
_NAMES = ("UserPoolId", "ProviderName", "ProviderType")
_SETTINGS = ("ProviderDetails", "AttributeMapping", "IdpIdentifiers")

Made = tuple[str, dict[str, str]]
Properties = dict[str, Any]


def add_types() -> None:
    """Teach the MiniStack of this process the type."""
    # Its modules have no types, so they are Any here.
    known: dict[str, Any] = import_module("ministack.services.cloudformation.provisioners")._RESOURCE_HANDLERS
    cognito: Any = import_module("ministack.services.cognito")

    def create(logical_id: str, properties: Properties, stack: str) -> Made:
        _require(cognito._create_identity_provider(_chosen(properties, _NAMES + _SETTINGS)))
        return properties["ProviderName"], {}

    def update(physical_id: str, old: Properties, new: Properties, stack: str, logical_id: str) -> Made:
        if _chosen(old, _NAMES) != _chosen(new, _NAMES):
            return create(logical_id, new, stack)  # another takes its place; MiniStack removes the first afterwards
        _require(cognito._update_identity_provider(_chosen(new, ("UserPoolId", "ProviderName", *_SETTINGS))))
        return physical_id, {}

    def delete(physical_id: str, properties: Properties) -> None:
        cognito._delete_identity_provider(_chosen(properties, ("UserPoolId", "ProviderName")))  # gone is fine

    known[TYPE] = {"create": create, "update": update, "update_with_logical_id": True, "delete": delete}


def _chosen(properties: Properties, names: tuple[str, ...]) -> Properties:
    return {name: properties[name] for name in names if name in properties}


def _require(answer: tuple[int, object, str | bytes]) -> None:
    status, _, body = answer
    if status >= 400:
        raise ValueError(f"{TYPE}: {json.loads(body).get('message', body)}")
