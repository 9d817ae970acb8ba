"""Every planted bug of the authorization server: importing this module fills `MUTANTS`."""

from conformance.mutants import (
    authz_codes,
    authz_consent,
    authz_documents,
    authz_metadata,
    authz_registration,
    authz_requests,
    authz_tokens,
)
from conformance.mutants.authz_plant import MUTANTS, red

__all__ = ["MUTANTS", "PLANTED", "red"]

PLANTED = (
    authz_metadata,
    authz_registration,
    authz_requests,
    authz_codes,
    authz_tokens,
    authz_documents,
    authz_consent,
)
"""The modules that fill `MUTANTS` when they are imported."""
