"""A client for MCP servers that ask for authorization, Cognito or not.

`api` is the short way in; `auth` has the `httpx` and `mcp` SDK faces; `engine` is what both drive.
"""
