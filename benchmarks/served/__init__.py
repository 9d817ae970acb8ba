"""What is put under load besides our own server: a bare ASGI app, our endpoint without authorization, and peers."""
