"""Bugs planted in the client: all of them, and who finds them."""

from conformance.mutants import client_authorize, client_discovery, client_registration, client_scopes, client_tokens
from conformance.mutants.client_plant import MUTANTS, Mutant, judged, red

__all__ = ["MUTANTS", "Mutant", "judged", "red"]

_PLANTED = (client_discovery, client_registration, client_authorize, client_tokens, client_scopes)
# Importing them is what plants their bugs.
