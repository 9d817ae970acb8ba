"""A local stand-in for the host `<prefix>.auth.<region>.amazoncognito.com` of a user pool (design D2).

Users, app clients and resource servers stay in the embedded AWS; this serves the pages and OAuth endpoints that AWS
documents for that host, and signs with the pool's own keys. For tests and teaching, on loopback only.

    app        assembles the parts           pool       the user pool, through boto3
    authorize  GET /oauth2/authorize         signing    JWTs with the pool's keys
    login      GET, POST /login              store      what must survive a restart, in SQLite
    token      POST /oauth2/token            grants     codes and refresh tokens
    userinfo   /oauth2/userInfo              browser    single sign-on, forms against forgery
    logout     GET /logout                   errors     how each endpoint says no
"""
