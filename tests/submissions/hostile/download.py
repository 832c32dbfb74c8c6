"""Fetches a page of a server on this machine."""
import urllib.request


def attack():
    return urllib.request.urlopen(f"http://127.0.0.1:{TARGETS['tcp']}/", timeout=1).read()
