"""Headers that operations read beyond those of every request, as the API's description tells of them."""

from typing import NamedTuple


class Header(NamedTuple):
    """One header. example: a value as it is sent · required: without it the request is refused · holds: the struct that
    it holds as JSON, if it does."""

    name: str
    description: str
    example: str
    required: bool = False
    holds: type | None = None


CONTENT_DIGEST = Header(
    "Content-Digest",
    "The SHA-256 of the body in base64 (RFC 9530). Bytes that are others are refused as `digest-mismatch`; other "
    "algorithms are passed over.",
    "sha-256=:LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ=:",
)
DEVICE_SIGNATURE = Header(
    "Device-Signature",
    "The device's signature over the lines named above: ECDSA P-256 with SHA-256, the 64 bytes r and s, in base64url.",
    "O7Eu2jwpjbXeJVl_VNkk8uF-eKJq2JU-2CGO5oLwu76QIeLzAJ0VLJEb8fJexoOpAnFBZnZ6-9jlvQ-wEk7Lig",
    required=True,
)
IF_MATCH = Header(
    "If-Match",
    "The `ETag` of the task as you have read it. Another version by now: 409 `conflict`, and nothing is changed.",
    '"3"',
)
IF_NONE_MATCH = Header(
    "If-None-Match",
    "The `ETag` of the photo that you have. It is still that one: 304 without a body.",
    '"9f86d081-thumb"',
)
