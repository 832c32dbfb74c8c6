"""Leaves samples among a hundred thousand tensors of no bytes."""

import json

header = {"samples": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}}
header |= {str(n): {"dtype": "U8", "shape": [0], "data_offsets": [0, 0]} for n in range(100_000)}
text = json.dumps(header).encode()
put("--samples", lambda data: len(text).to_bytes(8, "little") + text)
