"""Amazon S3 and what speaks its language, by pyarrow's own client, whose retries have a limit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from pyarrow import fs

SCHEMES = ("s3", "s3a", "s3n")
# The names that the environment, delta-rs and most tools have for pyarrow's.
_NAMES = {
    "AWS_ACCESS_KEY_ID": "access_key",
    "AWS_SECRET_ACCESS_KEY": "secret_key",
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_REGION": "region",
    "AWS_DEFAULT_REGION": "region",
    "AWS_ENDPOINT_URL": "endpoint_override",
}
_OF_OTHERS = ("AWS_ALLOW_HTTP", "AWS_S3_ALLOW_UNSAFE_RENAME", "AWS_CONDITIONAL_PUT")  # delta-rs's alone


def open_s3(place: str, options: Mapping[str, Any]) -> tuple[Any, str]:
    """The file system of a URI, and the path on it.

    Parameters
    ----------
    place : str
        ``s3://bucket/key``; ``s3a`` and ``s3n``, as Hadoop writes it, are the same.
    options : mapping
        Arguments of ``pyarrow.fs.S3FileSystem``, or ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``,
        ``AWS_SESSION_TOKEN``, ``AWS_REGION`` and ``AWS_ENDPOINT_URL``. What is absent comes from the
        environment, AWS's files or the machine's role.

    Raises
    ------
    ValueError
        An option that there is none of.
    """
    _, _, path = place.partition("://")
    if not options:
        plain = "?" not in path  # behind it are pyarrow's own options
        return fs.FileSystem.from_uri(f"s3://{quote(path) if plain else path}")
    told = {_NAMES.get(name, name): value for name, value in options.items() if name not in _OF_OTHERS}
    scheme, found, endpoint = str(told.get("endpoint_override", "")).partition("://")
    if found:
        told.update(scheme=scheme, endpoint_override=endpoint.rstrip("/"))
    try:
        return fs.S3FileSystem(**told), path.rstrip("/")
    except TypeError as e:
        raise ValueError(
            f"{place}: storage options: {e}, expected arguments of pyarrow.fs.S3FileSystem or {', '.join(_NAMES)}; "
            "correct the names"
        ) from e
