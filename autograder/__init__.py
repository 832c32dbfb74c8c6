"""The autograder of the DDPM homework kit."""

__version__ = "0.1.0"
KIT = f"ddpm-homework {__version__}"
