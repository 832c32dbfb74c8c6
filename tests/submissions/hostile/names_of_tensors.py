"""Gives its tensors names that are meant for terminals and pages."""

import json

name = "\x1b[2J\u202e<script>alert(1)</script>"
text = json.dumps({name: {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode()
put("--samples", lambda data: len(text).to_bytes(8, "little") + text + b"0")
