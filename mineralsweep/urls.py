"""URLs that may hold a password."""

from __future__ import annotations

import re

_USER_INFO = re.compile(r"\b([a-zA-Z][a-zA-Z0-9+.-]*)://([^\s/?#'\"<>@]*(?:@[^\s/?#'\"<>@]*)*)@")
_QUERY = re.compile(
    r"([?&](?:password|passwd|token|access_token|secret|sig|api_key)=)[^&\s'\"]+", re.I
)


def without_password(uri: str) -> str:
    """Hide the password of a URL: it has no place on a screen or in a run."""
    scheme, found, rest = uri.partition("://")
    if found and "@" in rest:
        credentials, _, host = rest.rpartition("@")
        uri = f"{scheme}://{credentials.partition(':')[0]}:***@{host}"
    return _QUERY.sub(r"\1***", uri)


def without_secrets(text: str) -> str:
    """Hide what a URL anywhere in a text gives away: passwords, and tokens of web addresses.

    A git remote may be https://TOKEN@host or https://user:TOKEN@host, so that of web addresses all
    before the @ is hidden. A user's name alone (ssh://git@host) stays.
    """
    return _QUERY.sub(r"\1***", _USER_INFO.sub(_hidden, text))


def _hidden(found: re.Match[str]) -> str:
    scheme, info = found[1], found[2]
    if re.fullmatch(r"(git\+)?https?", scheme, re.I):
        return f"{scheme}://***@"
    user, colon, _ = info.partition(":")
    return f"{scheme}://{user}:***@" if colon else found[0]
