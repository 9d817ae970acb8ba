"""Server and bridge as Lambda functions behind an HTTP API, and the rotation of the bridge's envelope keys."""
