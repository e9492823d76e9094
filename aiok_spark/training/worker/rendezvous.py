"""How the tasks of a barrier stage become workers that know each other."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from datetime import timedelta

import torch.distributed as dist

from aiok_spark.training.worker.exchange import Gloo, Solo

_INTERFACE_ADDRESS = 0x8915  # SIOCGIFADDR of Linux


class Rendezvous:
    """Where workers find each other: the first one opens a port, the others are told which.

    Parameters
    ----------
    rank : int
        This worker's number.
    hosts : list of str
        Address of each worker's node, by rank.
    timeout : float
        Seconds that one exchange may take.

    Attributes
    ----------
    port : int
        Of the first worker; 0 at the others, and if there is only one.
    """

    def __init__(self, rank: int, hosts: list[str], timeout: float) -> None:
        self._rank, self._hosts, self._limit = rank, hosts, timedelta(seconds=timeout)
        self._store: dist.Store | None = None
        self.port = 0
        if rank == 0 and len(hosts) > 1:  # port 0: the system gives a free one, and it is never let go
            self._store = self._open(0, is_master=True)
            self.port = self._store.port

    def connect(self, port: int) -> Solo:
        """Join the others, at the first worker's port; waits for all."""
        world = len(self._hosts)
        if world == 1:
            return Solo()
        _use_interface_of(self._hosts[self._rank])
        return Gloo(self._store or self._open(port, is_master=False), self._rank, world, self._limit)

    def _open(self, port: int, is_master: bool) -> dist.TCPStore:
        return dist.TCPStore(
            self._hosts[0], port, len(self._hosts), is_master, timeout=self._limit, wait_for_workers=False
        )


def _use_interface_of(host: str) -> None:
    """Have gloo use the network that Spark uses: it would look up this node's name, often a loopback address."""
    address = socket.gethostbyname(host)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            try:
                found = fcntl.ioctl(probe, _INTERFACE_ADDRESS, struct.pack("256s", name.encode()[:15]))
            except OSError:
                continue  # it has no address
            if socket.inet_ntoa(found[20:24]) == address:
                os.environ["GLOO_SOCKET_IFNAME"] = name
                return
