"""The limits that hold for all processes of a submission together: who meets one is stopped, and the rest is graded.

What is shown of each is that far more was asked for than could be had. How far beyond a limit a submission comes before
it is stopped is bounded loosely here, as this machine may be busy.
"""

import os
import platform
import threading
from pathlib import Path

import pytest
from grading import limits
from grading.kernel import NoAnswer
from grading.usage import Memory, Processes

pytestmark = pytest.mark.usefixtures("in_the_sandbox")

SLEEPERS = "import os, time\nfor _ in range(3000):\n    if os.fork() == 0:\n        time.sleep(100_000)"
# Out of its parents' sight, as daemons do.
DAEMONS = """
import os, time
for _ in range(3000):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            time.sleep(100_000)
        os._exit(0)
    os.wait()
"""
THREADS = (
    "import threading, time\nfor _ in range(3000):\n    threading.Thread(target=time.sleep, args=(100_000,)).start()"
)
HOARDERS = """
import os, time
for _ in range(4):
    if os.fork() == 0:
        hoard = bytearray(200_000_000)
        for k in range(0, len(hoard), 4096):
            hoard[k] = 1
        time.sleep(100_000)
time.sleep(100_000)
"""
SHARED = """
import time
with open('/dev/shm/hoard', 'wb') as file:
    for _ in range(60):
        file.write(bytes(10_000_000))
time.sleep(100_000)
"""
# Its first thread has ended, so that the process itself seems to have nothing.
HEADLESS = """
import subprocess, sys, time
hoarder = '''
import ctypes, threading, time
def hoard():
    time.sleep(1)
    hoard = [b"x" * 10_000_000 for _ in range(40)]
    time.sleep(100_000)
threading.Thread(target=hoard).start()
ctypes.CDLL(None).pthread_exit(None)
'''
for _ in range(3):
    subprocess.Popen([sys.executable, "-S", "-c", hoarder])
time.sleep(100_000)
"""
SHARERS = """
import os
hoard = bytearray(200_000_000)
for k in range(0, len(hoard), 4096):
    hoard[k] = 1
children = []
for _ in range(8):
    children.append(os.fork())
    if children[-1] == 0:
        import time
        time.sleep(2)
        os._exit(0)
for child in children:
    os.waitpid(child, 0)
print('shared')
"""
GROWING = "with open('big', 'wb') as file:\n    while True:\n        file.write(bytes(1_000_000))"
NAMELESS = "import os\nfile = open('big', 'wb')\nos.unlink('big')\nwhile True:\n    file.write(bytes(1_000_000))"
MANY = "for k in range(200_000):\n    open(f'{PLACE}/{k}', 'w').close()"
SPINNING = "import os\nos.fork()\nwhile True:\n    pass"

GOES_ON = "print('goes on')"


def text(kernel, index):
    return "".join(output.get("text", "") for output in kernel.nb.cells[index].outputs)


def stopped_at(kernel, limit):
    """Whether the first cell meets the limit, the record says it, and the second is run."""
    for index in range(2):
        kernel.run(index)
    beginning = next(line for line in kernel.nb.cells[0].source.splitlines() if line)
    assert kernel.record == [f"{limit} in the cell `{beginning}`; a new one runs the others."]
    assert text(kernel, 1) == "goes on\n"


@pytest.mark.parametrize("code", [SLEEPERS, DAEMONS], ids=["children", "daemons"])
def test_processes(open_kernel, code):
    stopped_at(open_kernel(code, GOES_ON, timeout=600), "the limit of 64 processes was met")


ONE_AFTER_ANOTHER = "import subprocess\nfor _ in range(5000):\n    subprocess.run(['/bin/true'])"


def test_processes_one_after_another(open_kernel, monkeypatch):
    """What a process hands on to the next before it is read, no look would ever see."""
    monkeypatch.setattr(limits, "_MOST_STARTED", 300)
    stopped_at(open_kernel(ONE_AFTER_ANOTHER, GOES_ON, timeout=600), "the limit of 300 processes was met")


# Each process starts the next, and ends.
CHAINS = """
import subprocess, sys, time
chain = "import os\\nwhile True:\\n    if os.fork():\\n        os._exit(0)"
for _ in range(8):
    subprocess.Popen([sys.executable, "-S", "-c", chain])
time.sleep(60)
"""


def test_processes_that_end_before_they_are_read(open_kernel, monkeypatch):
    """What they hold and use, no look would ever see."""
    monkeypatch.setattr(limits, "_MOST_STARTED", 10**9)
    monkeypatch.setattr(limits, "_MOST_UNREAD", 0)
    says = "processes ended, again and again, before they could be counted"
    stopped_at(open_kernel(CHAINS, GOES_ON, timeout=600, processes=10_000, threads=10_000), says)


def test_threads(open_kernel):
    stopped_at(open_kernel(THREADS, GOES_ON, timeout=600, threads=100), "the limit of 100 threads was met")


@pytest.mark.parametrize(
    "code", [HOARDERS, SHARED, HEADLESS], ids=["of four processes", "that no process has", "of threads alone"]
)
def test_memory(open_kernel, code):
    stopped_at(open_kernel(code, GOES_ON, timeout=600, memory_gb=0.5), "the limit of 0.5 GB of memory was met")


def test_memory_that_is_shared_counts_once(open_kernel):
    kernel = open_kernel(SHARERS, timeout=600, memory_gb=0.5)
    kernel.run(0)
    assert (text(kernel, 0), kernel.record) == ("shared\n", [])


@pytest.mark.parametrize("code", [GROWING, NAMELESS], ids=["by name", "without a name"])
def test_bytes_written(open_kernel, code):
    """The code is told, and need not be stopped."""
    kernel = open_kernel(code, GOES_ON, timeout=600, files_mb=50)
    for index in range(2):
        kernel.run(index)
    assert kernel.nb.cells[0].outputs[-1].evalue == "[Errno 28] No space left on device"
    assert kernel.record[0].startswith("the limit of 50 MB in files was met in the cell `")
    assert len(kernel.record) == 2 and text(kernel, 1) == "goes on\n"


LOCKS = """
import fcntl, struct
with open("locked", "w") as file:
    for place in range(1_000_000, 0, -2):
        fcntl.fcntl(file, fcntl.F_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, place, 1, 0))
"""


def test_locks_on_files(open_kernel):
    """Linux has room for as many as are asked for."""
    stopped_at(open_kernel(LOCKS, GOES_ON, timeout=600, files=2000), "the limit of 2,000 files was met")


@pytest.mark.parametrize("place", [".", "/answers", "/dev/shm"])
def test_files(open_kernel, place):
    code = MANY.replace("{PLACE}", place)
    stopped_at(open_kernel(code, GOES_ON, timeout=600, files=2000), "the limit of 2,000 files was met")


def test_processor_time_is_limited_for_all_together(open_kernel):
    kernel = open_kernel(SPINNING, GOES_ON, timeout=600, processor_timeout=3)
    kernel.run(0)
    assert kernel.ended
    assert kernel.record[0].startswith("the limit of processor time was met in the cell `import os`")
    assert kernel.record[1] == "all together took more than 3 s of processors; nothing more is run."


def test_a_function_that_meets_a_limit_loses_its_own_answer_alone(open_kernel):
    kernel = open_kernel(f"def rectify(signal):\n    {SLEEPERS.replace(chr(10), chr(10) + '    ')}", timeout=600)
    kernel.run(0)
    with pytest.raises(NoAnswer, match="the limit of 64 processes was met"):
        kernel.ask(0, "rectify", 3)
    assert kernel.record == [
        "the limit of 64 processes was met when `rectify` was called; a new one runs the cells again."
    ]


LIBC = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
ADD_KEY = {"x86_64": 248, "aarch64": 217}[platform.machine()]
# Memory that is no process's own could not be counted.
HIDING = {
    "a file in memory": "import os\nos.memfd_create('hidden')",
    "System V": f"{LIBC}if libc.shmget(0, 4096, 0o1600) < 0:\n    raise OSError(ctypes.get_errno(), 'shmget')",
    "semaphores": f"{LIBC}if libc.semget(0, 32_000, 0o1600) < 0:\n    raise OSError(ctypes.get_errno(), 'semget')",
    "no file": "import mmap\nmmap.mmap(-1, 4096)",
    "zeros": "import mmap\nwith open('/dev/zero', 'r+b') as file:\n    mmap.mmap(file.fileno(), 4096)",
    "a pipe": "import os\nread, write = os.pipe()\nos.splice(os.open('/judge/start.py', 0), write, 100)",
    "pages given away": (
        f"{LIBC}import os\nif libc.vmsplice(os.pipe()[1], bytes(16), 0, 0) < 0:\n"
        "    raise OSError(ctypes.get_errno(), 'vmsplice')"
    ),
    "rules": f"{LIBC}if libc.syscall(444, None, 0, 1) < 0:\n    raise OSError(ctypes.get_errno(), 'landlock')",
    "a ring": f"{LIBC}if libc.syscall(425, 8, bytes(120)) < 0:\n    raise OSError(ctypes.get_errno(), 'ring')",
    "a key": f"{LIBC}if libc.syscall({ADD_KEY}, b'user', b'k', b'v', 1, -3) < 0:\n    raise OSError(0, 'key')",
    "between pages far apart": "import os\nos.pwrite(os.open('/dev/shm/far', os.O_CREAT | os.O_WRONLY), b'x', 2**60)",
    # In a process of one thread: to any other it is forbidden everywhere.
    "a namespace of its own": (
        "import subprocess, sys\n"
        "program = 'import ctypes; raise SystemExit(ctypes.CDLL(None).unshare(1 << 28) == 0)'\n"
        "if subprocess.run([sys.executable, '-S', '-c', program]).returncode == 0:\n    raise OSError"
    ),
    "the root": "open('/hidden', 'w')",
    "the devices": "open('/dev/hidden', 'w')",
}


def test_there_is_no_memory_that_can_not_be_counted(open_kernel):
    kernel = open_kernel(*HIDING.values())
    for index, name in enumerate(HIDING):
        kernel.run(index)
        assert [output.get("ename") for output in kernel.nb.cells[index].outputs] in (
            ["PermissionError"],
            ["OSError"],
        ), name


# Of Linux's table for this processor.
REFUSED = {
    **{"msgget": 68, "mq_open": 240, "request_key": 249, "keyctl": 250, "bpf": 321, "perf_event_open": 298},
    **{"userfaultfd": 323, "ptrace": 101, "memfd_secret": 447, "tee": 276, "sendfile": 40},
    **{"memfd_create": 319, "shmget": 29, "semget": 64, "add_key": 248, "splice": 275, "vmsplice": 278},
    **{"io_uring_setup": 425, "landlock_create_ruleset": 444, "symlink": 88, "symlinkat": 266},
    "a call of x32": 0x40000000 + 39,
}
CALLING = """
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
for name, number in NAMES.items():
    ctypes.set_errno(0)
    if libc.syscall(number, -1, -1, -1, -1, -1) != -1 or ctypes.get_errno() != errno.EPERM:
        print(name, ctypes.get_errno())
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these are the numbers of x86-64")
def test_system_calls_that_nothing_needs_are_refused(open_kernel):
    kernel = open_kernel(f"NAMES = {REFUSED}\n{CALLING}")
    kernel.run(0)
    assert kernel.nb.cells[0].outputs == []


def test_no_link_can_take_the_place_of_a_socket(open_kernel):
    """The judge connects again to a socket that is gone, from outside, where a link would lead to another."""
    kernel = open_kernel(
        "import os\nos.symlink('/run/theirs', '/answers/theirs')",
        "import os\nos.symlink('/run/theirs', 'theirs', dir_fd=os.open('/answers', os.O_RDONLY))",
    )
    for index in range(2):
        kernel.run(index)
        assert [output.get("ename") for output in kernel.nb.cells[index].outputs] == ["PermissionError"]


def test_what_sockets_hold_counts(monkeypatch):
    table = "sockets: used 300\nTCP: inuse 2 orphan 0 tw 0 alloc 2 mem 0\n"
    monkeypatch.setattr(Processes, "read", lambda self, name: table if name.endswith("sockstat") else "")
    assert Memory(Processes(0), 1).too_large({}, 0)


def test_a_watch_that_fails_lets_nothing_go_on(open_kernel, monkeypatch):
    monkeypatch.setattr(
        limits.Watch, "_look", lambda self: 1 / 0 if self.looked else setattr(self, "looked", True) or ""
    )
    monkeypatch.setattr(limits.Watch, "looked", False, raising=False)
    with pytest.raises(RuntimeError):
        open_kernel("1")


def test_nothing_is_left_open(open_kernel):
    """However many submissions one process grades."""
    open_kernel("1").close()
    before = len(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(2):
        open_kernel("1").close()
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_nothing_of_the_judge_is_left_in_the_temporary_folder(open_kernel, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    open_kernel("1").close()
    assert [path for path in Path(tmp_path).iterdir() if path.name.startswith(("judge-", "student-"))] == []
