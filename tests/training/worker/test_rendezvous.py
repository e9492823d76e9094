"""How workers find each other; ``test_exchange`` has several of them meet."""

import os
import socket

import pytest

from aiok_spark.training.worker.exchange import Solo
from aiok_spark.training.worker.rendezvous import Rendezvous, _use_interface_of


@pytest.fixture
def interface(monkeypatch):
    """Have no network interface chosen, and leave none behind."""
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "none")
    monkeypatch.delenv("GLOO_SOCKET_IFNAME")


def test_the_only_worker_opens_nothing(interface):
    rendezvous = Rendezvous(0, ["localhost"], 5)
    exchange = rendezvous.connect(0)
    assert rendezvous.port == 0 and type(exchange) is Solo and (exchange.rank, exchange.world) == (0, 1)
    assert "GLOO_SOCKET_IFNAME" not in os.environ


def test_the_first_worker_listens_before_the_others_are_told_where():
    ports = [Rendezvous(0, ["127.0.0.1", "127.0.0.1"], 5) for _ in range(2)]
    assert ports[0].port != ports[1].port
    for opened in ports:
        socket.create_connection(("127.0.0.1", opened.port), 2).close()
    assert Rendezvous(1, ["127.0.0.1", "127.0.0.1"], 5).port == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_the_interface_is_that_of_the_address(interface, host):
    _use_interface_of(host)
    assert os.environ["GLOO_SOCKET_IFNAME"] == "lo"


def test_an_address_of_another_node_chooses_no_interface(interface):
    _use_interface_of("192.0.2.1")
    assert "GLOO_SOCKET_IFNAME" not in os.environ
