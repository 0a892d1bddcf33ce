"""What an actor's process asks its director, and what it does not."""

from __future__ import annotations

import socket
import threading

import pytest
from trials.steps import Gate


@pytest.fixture
def gate_and_director():
    director, actor = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    director.settimeout(0.2)
    with director, actor:
        yield Gate(actor), director


def test_the_actors_own_pause_is_a_step(gate_and_director):
    gate, director = gate_and_director
    director.send(b"go")
    gate.sleep(60)
    assert director.recv(100) == b"sleep "


def test_a_clients_thread_that_tries_again_asks_nothing(gate_and_director):
    gate, director = gate_and_director
    director.send(b"go")  # so that a thread that does ask is not left hanging
    thread = threading.Thread(target=gate.sleep, args=(0.001,))
    thread.start()
    thread.join(5)
    with pytest.raises(TimeoutError):
        director.recv(100)
