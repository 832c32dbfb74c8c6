"""Leaves a table of tensors with places that overlap, sizes that overflow, and a header as long as all memory."""

import json

text = json.dumps({"samples": {"dtype": "F32", "shape": [1 << 61, 4], "data_offsets": [0, 1 << 63]}}).encode()
put(
    "--samples",
    lambda data: (2**64 - 1).to_bytes(8, "little") + text if len(data) % 3 else len(text).to_bytes(8, "little") + text,
)
