"""Ends with a status that no message can hold."""

raise SystemExit(1 << 200)
