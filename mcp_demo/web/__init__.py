"""What all server-rendered pages share: look, security headers, server-side sessions."""
