"""Looks for secrets in its own memory: what the parent it was forked from had read."""


def attack():
    text = TARGETS["seed"].encode()
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb") as memory:
        for line in maps:
            if "heap" in line or "rw-p 00000000 00:00 0" in line:
                start, end = (int(part, 16) for part in line.split()[0].split("-"))
                if end - start < 256 << 20:
                    memory.seek(start)
                    found = memory.read(end - start)
                    if b"CANARY" + b"-" in found and text not in found:
                        return "a secret"
    raise PermissionError("nothing there")
