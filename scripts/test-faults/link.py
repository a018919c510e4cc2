"""A wire between two network namespaces that can lose packets, delay them, and be cut.

link.py PID NAME NEAR FAR: an interface NAME with the address NEAR in this namespace, and one
with FAR in that of the process PID. Commands come on standard input, a line each, and are
answered with "ok" when they are in force:

    loss PERCENT        so many packets are lost, each way
    delay MILLISECONDS  every packet takes so long, each way
    cut                 every packet is lost and nobody is told
    mend                none of it any more

A kernel does the same with netem where it has it; many have not. Both interfaces are gone
when this ends.
"""

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import sys
import time

TUNSETIFF = 0x400454CA
TUN_WITHOUT_INFO = 0x0001 | 0x1000
CLONE_NEWNET = 0x40000000


def interface(name, address):
    """A TUN interface in the namespace that this process is in now."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH14x", name.encode(), TUN_WITHOUT_INFO))
    for command in (["addr", "add", address, "dev", name], ["link", "set", name, "up"]):
        subprocess.run(["ip", *command], check=True)
    return tun


def enter(pid):
    """Goes into the network namespace of another process."""
    with open(f"/proc/{pid}/ns/net", "rb") as namespace:
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


class Wire:
    """What happens to packets."""

    def __init__(self):
        self.dice = random.Random(1)
        self.mend()

    def mend(self):
        self.loss = 0.0
        self.delay = 0.0

    def obey(self, words):
        if words[0] == "loss":
            self.loss = float(words[1]) / 100
        elif words[0] == "delay":
            self.delay = float(words[1]) / 1000
        elif words[0] == "cut":
            self.loss = 1.0
        elif words[0] == "mend":
            self.mend()
        else:
            raise ValueError(words)

    def loses(self):
        return self.dice.random() < self.loss


def carry(near, far, wire):
    """Carries packets until standard input ends."""
    under_way = []
    number = 0
    commands = b""
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        ready, _, _ = select.select([near, far, sys.stdin.fileno()], [], [], wait)
        for end, other in ((near, far), (far, near)):
            if end not in ready:
                continue
            packet = os.read(end, 65536)
            if not wire.loses():
                number += 1
                heapq.heappush(under_way, (time.monotonic() + wire.delay, number, other, packet))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, end, packet = heapq.heappop(under_way)
            try:
                os.write(end, packet)
            except OSError:
                # The interface is down, or its queue full: lost, as on any wire.
                pass
        if sys.stdin.fileno() in ready:
            read = os.read(sys.stdin.fileno(), 4096)
            if not read:
                return
            *lines, commands = (commands + read).split(b"\n")
            for line in lines:
                wire.obey(line.decode().split())
                print("ok", flush=True)


def main():
    pid, name, near_address, far_address = sys.argv[1:]
    near = interface(name, near_address)
    enter(pid)
    far = interface(name, far_address)
    print("ok", flush=True)
    carry(near, far, Wire())


main()
