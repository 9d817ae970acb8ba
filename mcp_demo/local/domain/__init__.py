"""A local stand-in for the host `<prefix>.auth.<region>.amazoncognito.com` of a user pool (design D2).

Users, app clients and resource servers stay in the embedded AWS; this serves the pages and OAuth endpoints that AWS
documents for that host, and signs with the pool's own keys. For tests and teaching, on loopback only.

    app        assembles the parts                    pool            the user pool, through boto3
    authorize  GET /oauth2/authorize                  accounts        sign-in, sign-up, recovery, second factor
    federation /oauth2/idpresponse                    signing         JWTs with the pool's keys
    login      /login                                 store           what must survive a restart, in SQLite
    challenge  /changePassword, /mfa                  grants          codes and refresh tokens
    mfa        /mfa/setup                             browser         single sign-on, forms against forgery
    signup     /signup, /confirmUser, /resendcode     steps           what is remembered between two pages
    recovery   /forgotPassword, /confirmForgot...     lockout         limits on guessing
    token      POST /oauth2/token                     signin_request  what an app asks for, checked
    revoke     POST /oauth2/revoke                    outcome         pages with forms, and what follows them
    register   POST /oauth2/register                  claims          which attributes a grant shows
    userinfo   /oauth2/userInfo                       branding        logo, colours, CSS
    logout     GET /logout                            errors          how each endpoint says no
    mailbox    GET /mailbox                           forms, qr       reading forms, drawing QR codes
"""
