"""The rules of the protocol, one module for each document or topic, without any input or output.

`challenge` (RFC 6750, 9728) · `resource_metadata` (RFC 9728) · `server_metadata` (RFC 8414, OIDC Discovery) ·
`authorization` (RFC 6749 §4.1, 9207) · `pkce` (RFC 7636) · `redirect_uri` (RFC 8252, OAuth 2.1) ·
`client_metadata` (RFC 7591 §2) · `metadata_document` (CIMD) · `client_assertion` (RFC 7523) ·
`resource` (RFC 8707) · `scopes` (RFC 6749 §3.3) · `token` (RFC 6749 §3.2) · `access_token` (RFC 7519, 8725) ·
`members` (JSON of strangers) · `errors`.

Nothing here imports another part of this package, and nothing here reads a clock, a socket or a file.
"""
