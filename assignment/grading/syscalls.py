"""The system calls that a sandbox refuses: by these, memory is held that no process seems to have, so that its limit
could not be kept; or what is outside is reached, although there is no network; or the judge is led there by a link.
"""

import errno
import mmap
import platform
import socket
import struct

# A kernel listens to itself on this computer's address. Families that are not here, such as the one that leads out of a
# virtual machine, belong to no network that could be left out.
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)

# Of Linux's tables of system calls. Some have one number everywhere. Those from `splice` on put pages into a pipe or a
# socket, where they stay when whoever had them has no more. A link in the place of a kernel's socket would lead the
# judge, who connects again to one that is gone, to a socket of the lecturer's.
_EVERYWHERE = {"memfd_secret": 447, "io_uring_setup": 425, "landlock_create_ruleset": 444}
_NUMBERS = {
    "x86_64": {
        **{"memfd_create": 319, "shmget": 29, "msgget": 68, "mq_open": 240, "add_key": 248, "request_key": 249},
        **{"keyctl": 250, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "ptrace": 101},
        **{"semget": 64, "splice": 275, "vmsplice": 278, "tee": 276, "sendfile": 40},
        **{"symlink": 88, "symlinkat": 266},
    },
    "aarch64": {
        **{"memfd_create": 279, "shmget": 194, "msgget": 186, "mq_open": 180, "add_key": 217, "request_key": 218},
        **{"keyctl": 219, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282, "ptrace": 117},
        **{"semget": 190, "splice": 76, "vmsplice": 75, "tee": 77, "sendfile": 71},
        **{"symlinkat": 36},
    },
}
_SOCKET = {"x86_64": 41, "aarch64": 198}
_MMAP = {"x86_64": 9, "aarch64": 222}
# Memory that can be shared and lies in no file is kept, and is no process's, when they say that they don't need it.
_KIND, _UNSEEN = 0xF | mmap.MAP_ANONYMOUS, mmap.MAP_SHARED | mmap.MAP_ANONYMOUS
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Beyond it lie the numbers of x86's other interface, x32.
_MOST = 0x40000000

# Classic BPF, and what is read of `struct seccomp_data`.
_LOAD, _AND, _EQUAL, _AT_LEAST, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x06
_NUMBER, _ARCH, _FIRST_ARGUMENT, _FOURTH_ARGUMENT = 0, 4, 16, 40
_KILL, _ALLOW, _ERROR = 0x80000000, 0x7FFF0000, 0x00050000


def refusing() -> bytes:
    """The filter in the form in which the kernel takes it; what it refuses gives an error, as what is not permitted.

    Raises:
        KeyError: the numbers of this machine's system calls are not in the table.
    """
    machine = platform.machine()
    program = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, _ARCHITECTURE[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _MOST),
        (_RETURN, 0, 0, _ERROR | errno.EPERM),
    ]
    for number in (_NUMBERS[machine] | _EVERYWHERE).values():
        program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ERROR | errno.EPERM)]
    program += [(_EQUAL, 0, 4, _MMAP[machine]), (_LOAD, 0, 0, _FOURTH_ARGUMENT), (_AND, 0, 0, _KIND)]
    program += [(_EQUAL, 0, 1, _UNSEEN), (_RETURN, 0, 0, _ERROR | errno.EPERM), (_LOAD, 0, 0, _NUMBER)]
    # The others go on to the last line.
    program += [(_EQUAL, 0, len(_FAMILIES) + 2, _SOCKET[machine]), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
    program += [(_EQUAL, len(_FAMILIES) - at, 0, family) for at, family in enumerate(_FAMILIES)]
    program += [(_RETURN, 0, 0, _ERROR | errno.EAFNOSUPPORT), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("HBBI", *step) for step in program)
