"""HTTP on this machine, without TLS: each client would load all certificates, for 35 ms of processor time."""

from __future__ import annotations

import ssl

# For httpx's `verify`: there is no certificate that it trusts.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
