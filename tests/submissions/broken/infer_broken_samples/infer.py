import sys

value = dict(zip(sys.argv[1::2], sys.argv[2::2]))
open(value["--output"], "wb").write(b"\x89PNG\r\n\x1a\n and no more")
open(value["--samples"], "wb").write(b"\xff" * 64)
