"""Ten gigabytes of zeros, packed three times over."""

import bz2
import gzip


def make(path, scheduler):
    packed = gzip.compress(bytes(100 << 20), 9) * 100
    path.write_bytes(bz2.compress(packed))
