"""The three browser clients: one app, three ways of becoming known to the authorization server."""
