"""Reads the recorded public expectations of the kit: no secret, and no business of the box either."""


def attack():
    return open(TARGETS["kit"] + "/autograder/expectations/public.safetensors", "rb").read(8)
