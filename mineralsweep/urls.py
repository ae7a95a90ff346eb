"""URLs that may hold a password."""

from __future__ import annotations


def without_password(uri: str) -> str:
    """Hide the password of a URL: it has no place on a screen or in a run."""
    scheme, found, rest = uri.partition("://")
    if not found or "@" not in rest:
        return uri
    credentials, _, host = rest.rpartition("@")
    return f"{scheme}://{credentials.partition(':')[0]}:***@{host}"
