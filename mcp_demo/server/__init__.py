"""The MCP server: an OAuth 2.1 resource server in front of the official MCP SDK.

`app` (assembly) · `guard` (Host, Origin, CORS) · `authorization` (the layer) · `credentials` (the header) ·
`verifier` and `keys` (the token) · `operations` (scopes) · `answers` (refusals) · `metadata` ·
`body` and `protocol_version` (what the SDK leaves open) · `tools` and `contexts` · `downstream` (the API behind).
"""
