"""How the tasks of a barrier stage become workers that know each other.

Spark's own ``allGather`` looks once a second whether all have come.  Here the first worker answers at a port that
follows from the run, so nobody has to be told which: it says where torch's store is, in which all meet.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import random
import socket
import struct
import threading
import time
from contextlib import suppress
from datetime import timedelta

import torch.distributed as dist

from aiok_spark.training.worker.exchange import Gloo, Solo, WorkerLostError

_PORTS, _TRIED = range(49152, 65536), 16  # those that nobody may register (RFC 6335), and how many may be taken
_FINDING = 120.0  # seconds in which the first worker must have started, as a process that has to load torch
_STAGING = timedelta(days=1)  # in which all must have their rows; Spark sees before then whether they are alive
_INTERFACE_ADDRESS = 0x8915  # SIOCGIFADDR of Linux


class Rendezvous:
    """Where workers find each other; the first one listens from now on.

    Parameters
    ----------
    rank : int
        This worker's number.
    addresses : list of str
        Host and port of each worker's executor, by rank.  Another port is another attempt.
    run : str
        What nobody else has.
    timeout : float
        Seconds that one exchange may take.

    Raises
    ------
    WorkerLostError
        If the first worker cannot listen.
    """

    def __init__(self, rank: int, addresses: list[str], run: str, timeout: float) -> None:
        self._rank, self._world, self._limit = rank, len(addresses), timedelta(seconds=timeout)
        self._hosts = [address.rpartition(":")[0] for address in addresses]
        self._name = hashlib.sha256(" ".join([run, *addresses]).encode()).hexdigest()
        self._ports = random.Random(self._name).sample(_PORTS, _TRIED)
        self._store: dist.Store | None = None
        self._door: socket.socket | None = None
        if rank == 0 and self._world > 1:
            self._store = self._open(0, is_master=True)  # port 0: the system gives a free one
            answer = f"{self._name} {self._store.port}\n".encode()
            self._door = self._listen()
            threading.Thread(target=_answer, args=(self._door, answer), daemon=True).start()

    def tell_all(self, text: str) -> list[str]:
        """Texts of all workers, by rank; waits for all.

        Raises
        ------
        WorkerLostError
            If the first worker is not found, or is gone.
        """
        if self._world == 1:
            return [text]
        told, read = ([f"{self._name}/{what}/{rank}" for rank in range(self._world)] for what in ("told", "read"))
        try:
            store = self._store = self._store or self._find()
            store.set(told[self._rank], text)
            store.wait(told, _STAGING)
            texts = [store.get(key).decode() for key in told]
            store.set(read[self._rank], "")
            if self._rank == 0:  # the texts would go with it
                store.wait(read, timedelta(seconds=_FINDING))
        except dist.DistError as e:
            raise WorkerLostError(f"worker {self._rank}: the others are gone while they meet ({e})") from e
        finally:
            if self._door is not None:
                self._door.shutdown(socket.SHUT_RDWR)
        return texts

    def connect(self) -> Solo:
        """Join the others, once all have told; waits for all."""
        if self._store is None:
            return Solo()
        _use_interface_of(self._hosts[self._rank])
        return Gloo(self._store, self._rank, self._world, self._limit)

    def _listen(self) -> socket.socket:
        for port in self._ports:
            try:
                return socket.create_server(("", port))
            except OSError:
                continue  # somebody has it
        raise WorkerLostError(
            f"found none of the ports {self._ports} free on {self._hosts[0]}, expected one, for the workers to meet"
        )

    def _find(self) -> dist.Store:
        end = time.monotonic() + _FINDING
        while time.monotonic() < end:
            for port in self._ports:
                name, _, store = _ask(self._hosts[0], port).partition(" ")
                if name == self._name:
                    return self._open(int(store), is_master=False)
            time.sleep(0.01)
        raise WorkerLostError(
            f"worker {self._rank}: found no worker 0 on {self._hosts[0]} within {_FINDING:.0f} s, at the ports "
            f"{self._ports}; expected that executors reach each other at the ports {_PORTS[0]} to {_PORTS[-1]}"
        )

    def _open(self, port: int, is_master: bool) -> dist.TCPStore:
        return dist.TCPStore(self._hosts[0], port, self._world, is_master, timeout=self._limit, wait_for_workers=False)


def _answer(door: socket.socket, text: bytes) -> None:
    """Say the same to everybody, until the door is shut."""
    with door, suppress(OSError):
        while True:
            guest, _ = door.accept()
            with guest, suppress(OSError):  # who has left again
                guest.sendall(text)


def _ask(host: str, port: int) -> str:
    """What is said there: nothing, if nobody is there, or if somebody else says nothing."""
    try:
        with socket.create_connection((host, port), 1) as door:
            return door.makefile(errors="replace").readline(200)
    except OSError:
        return ""


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
