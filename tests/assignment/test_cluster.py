"""Workers of this machine: as many as there is room for, and nobody else can have anything run by them."""

import os
import socket
import ssl
import stat
import subprocess
import sys
from contextlib import ExitStack, suppress
from pathlib import Path

import dask
import psutil
import pytest
from distributed import Client
from distributed.security import Security
from grading import cluster
from grading.certificates import make
from grading.cluster import NoCluster, fitting, workers_here, workers_of
from grading.judge import Judge


@pytest.mark.parametrize(
    ("cores", "gigabytes", "limits", "workers"),
    [(2, 64, {}, 2), (64, 64, {}, 8), (8, 16, {}, 2), (8, 4, {}, 1), (8, 16, {"memory_gb": 1, "files_mb": 100}, 8)],
)
def test_each_worker_has_room_for_a_submission(monkeypatch, cores, gigabytes, limits, workers):
    monkeypatch.setattr(cluster, "CPU_COUNT", cores)
    monkeypatch.setattr(cluster, "MEMORY_LIMIT", gigabytes * 1e9)
    assert fitting(Judge(**limits)) == workers


def asked(port, words, context=None) -> bytes:
    """What is answered to these words; in a TLS connection, if there is a `context`."""
    with ExitStack() as opened:
        try:
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            if context:
                connection = opened.enter_context(context.wrap_socket(connection))
            connection.sendall(words)
            return connection.recv(10_000)
        except (ConnectionError, ssl.SSLError):
            return b""


def test_no_stranger_is_answered(monkeypatch):
    monkeypatch.setattr(cluster, "CPU_COUNT", 6)
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "5")
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    alert = b"\x15"
    with workers_here(2) as client:
        assert client.submit(sum, [1, 2]).result() == 3
        # It is our business how often is tried what ends its worker, and how much memory a submission may take.
        assert client.run_on_scheduler(lambda dask_scheduler: dask_scheduler.allowed_failures) == 0
        assert [worker["memory_limit"] for worker in client.scheduler_info()["workers"].values()] == [0, 0]
        assert client.submit(dask.config.get, "distributed.worker.profile.enabled").result() is False
        assert client.submit(os.environ.get, "MKL_NUM_THREADS").result() == "3"
        assert client.submit(os.environ.get, "OPENBLAS_NUM_THREADS").result() == "5"
        us = psutil.Process()
        ports = [
            found.laddr
            for process in (us, *us.children(recursive=True))
            for found in process.net_connections("tcp")
            if found.status == psutil.CONN_LISTEN
        ]
        # Of scheduler, workers and nannies.
        assert len(ports) >= 5 and {ip for ip, _ in ports} == {"127.0.0.1"}
        for _, port in ports:
            for page in (b"/info/main/workers.html", b"/metrics", b"/"):
                answer = asked(port, b"GET " + page + b" HTTP/1.0\r\n\r\n")
                assert answer[:1] in (b"", alert) or b" 404 " in answer[:20]
            if b" 404 " not in answer[:20]:
                assert asked(port, b"x" * 100, anybody) == b""
        address = client.scheduler.address
        with pytest.raises((OSError, TimeoutError)):
            Client(address, security=Security.temporary(), timeout=2)


def test_two_commands_may_run_on_one_machine():
    with ExitStack() as opened:
        with suppress(OSError):  # another test has Dask's usual port
            opened.enter_context(socket.create_server(("127.0.0.1", 8787)))
        with workers_here(1) as client:
            assert client.submit(sum, [1, 2]).result() == 3


def test_a_cluster_of_others_must_encrypt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = make(Path("key"))
    assert settings == tmp_path / "key" / "dask.yaml"
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "key").iterdir()} == {0o600}
    found = dask.config.collect([str(settings)], env={"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "0.5s"})
    assert found["distributed"]["comm"]["require-encryption"] is True
    assert all(found["distributed"][who]["http"]["routes"] == [] for who in ("scheduler", "worker"))
    assert found["distributed"]["worker"]["profile"]["enabled"] is False
    for role in found["distributed"]["comm"]["tls"].keys() - {"ca-file"}:
        assert found["distributed"]["comm"]["tls"][role] == {
            "cert": str(tmp_path / "key" / "certificate.pem"),
            "key": str(tmp_path / "key" / "key.pem"),
        }
    assert found["distributed"]["comm"]["tls"].keys() == {"ca-file", "scheduler", "worker", "client"}
    with dask.config.set(dask.config.merge(dask.config.config, found)):
        with pytest.raises(NoCluster, match="an address such as tls://"), workers_of("tcp://127.0.0.1:8786"):
            pass
        with pytest.raises(NoCluster, match="--scheduler tls://127.0.0.1:9: "), workers_of("tls://127.0.0.1:9"):
            pass
    with pytest.raises(NoCluster, match="in DASK_CONFIG the file"), workers_of("tls://127.0.0.1:9"):
        pass
    line = [sys.executable, "-m", "grading.certificates", str(tmp_path / "key")]
    again = subprocess.run(line, cwd=cluster.__file__.rpartition("/grading/")[0], capture_output=True, text=True)
    assert again.returncode == 1 and "File exists; a new folder is wanted" in again.stderr
