"""Is this a safetensors file: eight bytes of header length, a JSON header, then tensors without gap or overlap.

The format: https://github.com/huggingface/safetensors, "Format". Nothing is ever unpickled here or anywhere.
"""

import math
from itertools import pairwise
from typing import Any

import msgspec

_WIDTH = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4,
    "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip
LONGEST_HEADER = 10_000_000


class _Tensor(msgspec.Struct):
    dtype: str
    shape: list[int]
    data_offsets: tuple[int, int]


def check_weights(content: bytes) -> int:
    """How many tensors the file holds. Raises ValueError saying what is wrong with it."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(LONGEST_HEADER, len(content) - 8):
        raise ValueError("its header is longer than the file")
    try:
        header = msgspec.json.decode(content[8 : 8 + length], type=dict[str, Any])
        header.pop("__metadata__", None)
        tensors = msgspec.convert(header, dict[str, _Tensor])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError("its header is not the JSON that it must be") from None
    spans = sorted(tensor.data_offsets for tensor in tensors.values())
    for tensor in tensors.values():
        begin, end = tensor.data_offsets
        if tensor.dtype not in _WIDTH or any(side < 0 for side in tensor.shape):
            raise ValueError("a tensor has an unknown type or a negative side")
        if not 0 <= begin <= end or end - begin != math.prod(tensor.shape) * _WIDTH[tensor.dtype]:
            raise ValueError("a tensor's bytes do not fit its shape")
    if not spans:
        raise ValueError("it holds no tensor")
    if spans[0][0] != 0 or any(one[1] != other[0] for one, other in pairwise(spans)):
        raise ValueError("its tensors overlap or leave gaps")
    if spans[-1][1] != len(content) - 8 - length:
        raise ValueError("its length is not what its header says")
    return len(tensors)
