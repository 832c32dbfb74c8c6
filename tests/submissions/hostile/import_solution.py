"""Imports the reference as a module of another name."""
import importlib.util


def attack():
    spec = importlib.util.spec_from_file_location("reference", TARGETS["solution"])
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.__file__
