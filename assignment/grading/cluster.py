"""Workers that grade at the same time: of this machine, or of a cluster that is there. Both by Dask's distributed.

Whoever reaches a scheduler's port can have any code run. So all that is said is encrypted, and only those take part who
have the key.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import dask
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster
from distributed.security import Security
from distributed.system import MEMORY_LIMIT

from grading.certificates import SETTINGS
from grading.judge import Judge

# A worker itself, with what it has loaded: 707 to 749 MB after three submissions.
_WORKER_GB = 0.8
# Seconds until the first of them is there.
_STARTS_WITHIN = 300
_OF_NUMBERS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


class NoCluster(Exception):
    """There is none that can be used. The message is a sentence for the lecturer."""


def fitting(judge: Judge) -> int:
    """How many workers this machine has room for: one a core, if the memory that a submission may take allows it."""
    each = judge.memory_gb + judge.files_mb / 1000 + _WORKER_GB
    return max(1, min(CPU_COUNT, int(MEMORY_LIMIT / 1e9 / each)))


@contextmanager
def workers_here(count: int) -> Iterator[Client]:
    """As many processes of this machine, each of which grades; one that dies is replaced. They end with this process.

    Certificate and key are made for them, and lie in memory only.
    """
    threads = str(max(1, CPU_COUNT // count))
    settings = {
        **SETTINGS,
        # What the environment says goes before.
        **{f"distributed.nanny.pre-spawn-environ.{name}": threads for name in _OF_NUMBERS},
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tls://",
            security=Security.temporary(),
            dashboard_address=None,
            # At a free port: another command may have the usual one.
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            # It is the submissions that take memory, and they have limits of their own.
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield _prepared(client, count)


@contextmanager
def workers_of(address: str) -> Iterator[Client]:
    """Those of the scheduler at this address, which have certificates: see `certificates`.

    Raises:
        NoCluster: it can't be reached, has no workers, or does not encrypt.
    """
    # Of Dask's configuration.
    security = Security()
    if not address.startswith("tls://") or not security.get_tls_config_for_role("client")["cert"]:
        raise NoCluster(
            f"--scheduler {address}: an address such as tls://192.0.2.1:8786 is wanted, and in DASK_CONFIG the file "
            "that python -m grading.certificates made. Without them, whoever reaches the port could run any code there"
        )
    try:
        client = Client(address, security=security)
    except (OSError, TimeoutError) as error:
        raise NoCluster(f"--scheduler {address}: {error}") from error
    with client:
        yield _prepared(client, 1)


def _prepared(client: Client, count: int) -> Client:
    """One that has so many workers, and at once reports their deaths: how often a submission is tried is our business.

    Raises:
        NoCluster: they do not come.
    """
    try:
        client.wait_for_workers(count, timeout=_STARTS_WITHIN)
    except TimeoutError as error:
        raise NoCluster(f"within {_STARTS_WITHIN} s, fewer than {count} workers have come") from error
    # Not a function of this module, which the scheduler need not have.
    client.run_on_scheduler(lambda dask_scheduler: setattr(dask_scheduler, "allowed_failures", 0))
    return client
