"""Bodies of responses that are made once and sent many times, with entity tag and compressed form."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from fastapi import Request, Response

from sales_forecast.service.negotiation import Format, accepts_gzip

COMPRESSED_FROM_BYTES = 1000
"""Smaller bodies are hardly smaller when compressed."""

LEVEL = 6
"""Of gzip; it runs once for each page, not for each request."""


@dataclass(frozen=True)
class Document:
    """A body in one format.

    Args:
        body: The body.
        compressed: The same with gzip; None where that is not worth it.
        form: Format of the body.
        etag: Opaque part of the entity tag.
    """

    body: bytes
    compressed: bytes | None
    form: Format
    etag: str

    @classmethod
    def of(cls, body: bytes, form: Format, etag: str | None = None, *, compress: bool = True) -> Document:
        """Make a document from its body; by default, the entity tag is a hash of it."""
        tag = etag or tag_of(body)
        is_worth_it = compress and len(body) > COMPRESSED_FROM_BYTES and form is not Format.PARQUET
        # mtime: the same page is the same bytes, as its strong entity tag promises
        return cls(body, gzip.compress(body, LEVEL, mtime=0) if is_worth_it else None, form, tag)

    @property
    def size(self) -> int:
        """Number of bytes of both forms."""
        return len(self.body) + len(self.compressed or b"")


def tag_of(content: bytes) -> str:
    """Return the opaque part of an entity tag for what a body consists of."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def is_known(request: Request, etag: str) -> bool:
    """Return whether a client has a document already, by its header ``If-None-Match``."""
    given = [tag.strip().removeprefix("W/") for tag in request.headers.get("If-None-Match", "").split(",")]
    return any(tag in given for tag in (f'"{etag}"', f'"{etag}-gzip"'))


def respond(request: Request, document: Document, headers: Mapping[str, str] | None = None) -> Response:
    """Send a document: compressed if the client takes that, and not at all if it has it (or any) already.

    Args:
        request: Request that is answered.
        document: What is sent.
        headers: Further headers.
    """
    has_any = request.headers.get("If-None-Match", "").strip() == "*"
    if has_any or is_known(request, document.etag):
        return not_modified(request, document.etag)
    given, body, suffix = dict(headers or {}), document.body, ""
    if document.compressed is not None and accepts_gzip(request.headers.get("Accept-Encoding")):
        given["Content-Encoding"], body, suffix = "gzip", document.compressed, "-gzip"
    given |= _validators(f"{document.etag}{suffix}")
    return Response(body, headers=given, media_type=document.form)


def not_modified(request: Request, etag: str) -> Response:
    """Say that the client has the document already, with the entity tag that it has."""
    has_compressed = f'"{etag}-gzip"' in request.headers.get("If-None-Match", "")
    return Response(status_code=304, headers=_validators(f"{etag}-gzip" if has_compressed else etag))


def _validators(tag: str) -> dict[str, str]:
    return {
        "ETag": f'"{tag}"',
        "Cache-Control": "private, no-cache",  # keep it, but ask each time whether it is still the newest
        "Vary": "Accept, Accept-Encoding",
    }
