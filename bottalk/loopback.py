"""Which names and addresses are this machine itself: no proxy stands before them, and nobody else reaches them."""

from ipaddress import ip_address


def is_loopback(host: str) -> bool:
    """`host` as in an address, an IPv6 one with or without its brackets. Names are not looked up."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
