"""How workers find each other; ``test_exchange`` has several of them meet."""

import os
import socket
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import count

import pytest
import torch.distributed as dist

from aiok_spark.training.worker import rendezvous
from aiok_spark.training.worker.exchange import Solo, WorkerLostError
from aiok_spark.training.worker.rendezvous import Rendezvous, _use_interface_of


@pytest.fixture
def interface(monkeypatch):
    """Have no network interface chosen, and leave none behind."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "none")
    monkeypatch.delenv("GLOO_SOCKET_IFNAME")


ADDRESSES = ["127.0.0.1:1", "127.0.0.1:2"]


@pytest.fixture
def run():
    """Name a run as nobody else on this machine does."""
    return uuid.uuid4().hex


def meet(first, second):
    """What both hear of each other."""
    with ThreadPoolExecutor(2) as threads:
        told = [threads.submit(worker.tell_all, text) for worker, text in ((second, "b"), (first, "a"))]
        return [future.result(60) for future in told]


def test_the_only_worker_opens_nothing(interface):
    only = Rendezvous(0, ADDRESSES[:1], "alone", 5)
    assert only.tell_all("a") == ["a"]
    exchange = only.connect()
    assert type(exchange) is Solo and (exchange.rank, exchange.world) == (0, 1)
    assert "GLOO_SOCKET_IFNAME" not in os.environ


def test_all_hear_what_each_tells(run):
    second = Rendezvous(1, ADDRESSES, run, 5)  # it may be the first to come
    assert meet(Rendezvous(0, ADDRESSES, run, 5), second) == [["a", "b"]] * 2


def free_ports(number):
    """Ports that nobody has now."""
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.create_server(("", 0))) for _ in range(number)]
        return [each.getsockname()[1] for each in sockets]


def test_ports_of_others_are_passed_over(monkeypatch):
    store = dist.TCPStore("127.0.0.1", 0, 1, True, wait_for_workers=False)
    with closing(socket.create_server(("", 0))) as silent, closing(socket.create_server(("", 0))) as other:
        threading.Thread(target=rendezvous._answer, args=(other, b"another-run 1\n"), daemon=True).start()
        taken = [store.port, silent.getsockname()[1], other.getsockname()[1]]
        monkeypatch.setattr(rendezvous, "_PORTS", taken + free_ports(3))
        monkeypatch.setattr(rendezvous, "_TRIED", 6)
        run = next(run for run in map(str, count()) if set(Rendezvous(1, ADDRESSES, run, 5)._ports[:3]) == set(taken))
        first, second = (Rendezvous(rank, ADDRESSES, run, 5) for rank in range(2))
        assert first._door.getsockname()[1] in second._ports[3:]
        assert meet(first, second) == [["a", "b"]] * 2
        other.shutdown(socket.SHUT_RDWR)


def test_another_attempt_meets_elsewhere(run):
    earlier = Rendezvous(0, ["127.0.0.1:1", "127.0.0.1:3"], run, 5)
    first = Rendezvous(0, ADDRESSES, run, 5)
    assert meet(first, Rendezvous(1, ADDRESSES, run, 5)) == [["a", "b"]] * 2
    assert earlier._ports != first._ports


def test_a_first_worker_without_a_free_port_says_so(run, monkeypatch):
    monkeypatch.setattr(rendezvous, "_PORTS", free_ports(1))
    monkeypatch.setattr(rendezvous, "_TRIED", 1)
    first = Rendezvous(0, ADDRESSES, run, 5)
    with pytest.raises(WorkerLostError, match=f"none of the ports .{first._ports[0]}. free on 127.0.0.1"):
        Rendezvous(0, ADDRESSES, run, 5)


def test_who_finds_nobody_says_where_it_looked(run, monkeypatch):
    monkeypatch.setattr(rendezvous, "_FINDING", 0.1)
    second = Rendezvous(1, ADDRESSES, run, 5)
    with pytest.raises(
        WorkerLostError, match=f"no worker 0 on 127.0.0.1 .*ports .{second._ports[0]}, .* 49152 to 65535"
    ):
        second.tell_all("b")


def test_who_is_left_while_they_meet_says_so(run):
    first, second = (Rendezvous(rank, ADDRESSES, run, 5) for rank in range(2))
    with ThreadPoolExecutor(1) as threads:
        told = threads.submit(second.tell_all, "b")
        first._store.wait([f"{first._name}/told/1"])
        first._store = None  # and what it holds
        with pytest.raises(WorkerLostError, match="worker 1: the others are gone"):
            told.result(60)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_interface_is_that_of_the_address(interface, host):
    _use_interface_of(host)
    assert os.environ["GLOO_SOCKET_IFNAME"] == "lo"


def test_an_address_of_another_node_chooses_no_interface(interface):
    _use_interface_of("192.0.2.1")
    assert "GLOO_SOCKET_IFNAME" not in os.environ
