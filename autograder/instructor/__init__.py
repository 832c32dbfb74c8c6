"""The instructor's workbench: makes what the kit ships. Never part of a student bundle."""
