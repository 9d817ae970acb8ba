"""What a client proves itself with: a secret, a key of its own, or nothing.

Spec: OAuth 2.1 §2.4, RFC 7523 §2.2.
"""

import secrets
from dataclasses import dataclass, field
from typing import Any, cast

from mcp_demo.client.errors import RegistrationFailed
from mcp_demo.client.registration import Registration
from mcp_demo.oauth import client_assertion, token
from mcp_demo.oauth.client_assertion import Key
