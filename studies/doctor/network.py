"""Ports on this host, and whether two ranks can meet and add through them."""

from __future__ import annotations

import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import psutil

from studies.doctor.finding import Finding, Scene, listed, ok, problem, warning
from studies.workers.launch import ask

AT_ONCE: Final = 32
"""How many ports are asked for at the same time; a run over several devices takes one for its meeting place and a few
for its ranks."""


def ephemeral() -> range:
    """Return the ports that the kernel gives to who asks for any."""
    try:
        low, high = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    except (OSError, ValueError):  # another system's default
        low, high = 49152, 65535
    return range(low, high + 1)


def taken(among: range) -> int:
    """Return how many of these TCP ports have a socket."""
    found = set()
    for name in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{name}").read_text().splitlines()[1:]
        except OSError:
            continue
        found |= {int(line.split()[1].rpartition(":")[2], 16) for line in lines}
    return sum(port in among for port in found)


def deaf() -> str:
    """Return why a connection to this host's loopback fails; empty where it does not."""
    with socket.socket() as listening:
        try:
            listening.bind(("127.0.0.1", 0))
            listening.listen()
        except OSError:  # no port is free: told by who tries several
            return ""
        try:
            socket.create_connection(listening.getsockname(), timeout=3).close()
        except OSError as error:
            return error.strerror or str(error)
    return ""


def ports(scene: Scene) -> Iterator[Finding]:  # noqa: ARG001
    """Bind free ports on the loopback, as the ranks' meeting places do."""
    there = ephemeral()
    used = taken(there)
    found = f"{used} of {len(there)} ports {there.start}-{there.stop - 1} taken"
    if why := deaf():
        yield problem(
            "ports", f"127.0.0.1 cannot be reached ({why}): is the loopback interface up?", "ip link set lo up"
        )
        return
    with ExitStack() as stack:
        for number in range(AT_ONCE):
            held = stack.enter_context(socket.socket())
            try:
                held.bind(("127.0.0.1", 0))
            except OSError as error:
                yield _unbound(error, number, found)
                return
    if used > 0.9 * len(there):
        yield warning("ports", found, "`ss -tan` shows who; sysctl -w net.ipv4.ip_local_port_range='10240 65535'")
    else:
        yield ok("ports", f"{found}; {AT_ONCE} bound at once on 127.0.0.1")


def _unbound(error: OSError, number: int, found: str) -> Finding:
    mend = "`ss -tanp` shows who holds them; sysctl -w net.ipv4.ip_local_port_range='10240 65535'"
    return problem("ports", f"port {number + 1} of {AT_ONCE} refused ({error.strerror}); {found}", mend)


def ranks(scene: Scene) -> Iterator[Finding]:
    """Let two ranks of the runs' own launcher meet and add two numbers."""
    started = time.monotonic()
    try:
        told = ask(scene.context, "studies.doctor.inside", "all_reduce", None)
    except RuntimeError as error:
        told = {"backend": "launcher", "error": f"no answer: {error}"}
    if told["error"]:
        found = f"{told['backend']}: two ranks on this host cannot work together: {told['error']}"
        yield problem("ranks", found, cure(told["error"]))
    else:
        seconds = time.monotonic() - started
        yield ok("ranks", f"{told['backend']}: two ranks met and added through torch's launcher in {seconds:.1f} s")


def cure(error: str) -> str:
    """Return what mends ranks that do not find each other, from what the first of them said."""
    told = error.lower()
    if "no space left" in told:
        return f"make room in /dev/shm and in {tempfile.gettempdir()}, where ranks meet"
    if any(word in told for word in ("resolve", "getaddrinfo", "name or service", "gai", "unable to find address")):
        return f"the host's name does not resolve: echo '127.0.1.1 {socket.gethostname()}' >> /etc/hosts"
    if "nccl" in told:
        return "NCCL_DEBUG=INFO bam doctor says more; try NCCL_P2P_DISABLE=1, and docker run --shm-size=8g"
    if any(word in told for word in ("timed out", "timeout", "code -14", "refused", "unreachable")):
        return "a firewall on this host: iptables -I INPUT -i lo -j ACCEPT"
    return f"ranks meet on 127.0.0.1 (interfaces: {listed(list(psutil.net_if_addrs()), 8)}): is lo up?"
