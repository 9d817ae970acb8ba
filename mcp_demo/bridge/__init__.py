"""The authorization bridge: what MCP asks of an authorization server and a Cognito user pool does not offer."""
