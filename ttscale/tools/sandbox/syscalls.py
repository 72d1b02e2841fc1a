"""What code in the sandbox may ask of the kernel, as a program for seccomp.

On a permitted list stands what a computation with files in its own folder needs. Nothing on it starts a process
or a thread, opens a socket, sends a signal, mounts, traces, makes memory that no limit counts, or changes what
belongs to a file but is not in it (Landlock looks at no modes and times).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final

SYSCALLS: Final[Mapping[str, tuple[int | None, int | None]]] = {
    "read": (0, 63), "write": (1, 64), "open": (2, None), "close": (3, 57), "stat": (4, None),
    "fstat": (5, 80), "lstat": (6, None), "poll": (7, None), "lseek": (8, 62), "mmap": (9, 222),
    "mprotect": (10, 226), "munmap": (11, 215), "brk": (12, 214), "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139), "pread64": (17, 67), "pwrite64": (18, 68),
    "readv": (19, 65), "writev": (20, 66), "access": (21, None), "pipe": (22, None), "select": (23, None),
    "sched_yield": (24, 124), "mremap": (25, 216), "msync": (26, 227), "mincore": (27, 232),
    "madvise": (28, 233), "dup": (32, 23), "dup2": (33, None), "pause": (34, None), "nanosleep": (35, 101),
    "getitimer": (36, 102), "alarm": (37, None), "setitimer": (38, 103), "getpid": (39, 172),
    "exit": (60, 93), "uname": (63, 160), "flock": (73, 32), "fsync": (74, 82), "fdatasync": (75, 83),
    "ftruncate": (77, 46), "getdents": (78, None), "getcwd": (79, 17), "chdir": (80, 49), "fchdir": (81, 50),
    "rename": (82, None), "mkdir": (83, None), "rmdir": (84, None), "creat": (85, None), "link": (86, None),
    "unlink": (87, None), "symlink": (88, None), "readlink": (89, None), "umask": (95, 166),
    "gettimeofday": (96, 169), "getrlimit": (97, 163), "getrusage": (98, 165), "sysinfo": (99, 179),
    "times": (100, 153), "getuid": (102, 174), "getgid": (104, 176), "geteuid": (107, 175),
    "getegid": (108, 177), "getppid": (110, 173), "getpgrp": (111, None), "sigaltstack": (131, 132),
    "statfs": (137, 43), "fstatfs": (138, 44), "arch_prctl": (158, None), "gettid": (186, 178),
    "time": (201, None), "futex": (202, 98), "sched_getaffinity": (204, 123), "getdents64": (217, 61),
    "set_tid_address": (218, 96), "restart_syscall": (219, 128), "fadvise64": (221, 223),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "exit_group": (231, 94), "epoll_wait": (232, None), "epoll_ctl": (233, 21), "openat": (257, 56),
    "mkdirat": (258, 34), "newfstatat": (262, 79), "unlinkat": (263, 35), "renameat": (264, 38),
    "linkat": (265, 37), "symlinkat": (266, 36), "readlinkat": (267, 78), "faccessat": (269, 48),
    "pselect6": (270, 72), "ppoll": (271, 73), "set_robust_list": (273, 99), "epoll_pwait": (281, 22),
    "fallocate": (285, 47), "epoll_create1": (291, 20), "dup3": (292, 24), "pipe2": (293, 59),
    "preadv": (295, 69), "pwritev": (296, 70), "renameat2": (316, 276), "getrandom": (318, 278),
    "membarrier": (324, 283), "copy_file_range": (326, 285), "statx": (332, 291), "rseq": (334, 293),
    "close_range": (436, 436), "faccessat2": (439, 439),
}  # fmt: skip
"""Permitted calls, by their numbers on x86-64 and on 64-bit ARM; ``None``: it has no such call."""

COMMANDS: Final[Mapping[tuple[int, int], tuple[int, ...]]] = {
    # fcntl: duplicates, flags and locks; to name an owner is to have signals sent to any process of the user
    (72, 25): (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030),
    # ioctl: of a terminal its settings and size, of a file its flags and what can be read at once
    (16, 29): (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451),
}
"""Calls of which only some commands are permitted, by number as in `SYSCALLS`."""

_ARCHITECTURES: Final[Mapping[str, tuple[int, int]]] = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""By machine: what the kernel calls it, and its place in the pairs above."""

_CLONE3: Final = 435
_LOAD, _EQUAL, _ANSWER = 0x20, 0x15, 0x06
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_EPERM, _ENOSYS = 1, 38
_NUMBER, _ARCHITECTURE, _SECOND_ARGUMENT = 0, 4, 24
"""Offsets in what the program looks at."""


def seccomp_program(machine: str) -> bytes | None:
    """Return the program that lets permitted calls through and fails the others; ``None``: an unknown machine.

    Args:
        machine: as `os.uname` says it.
    """
    if machine not in _ARCHITECTURES:
        return None
    architecture, column = _ARCHITECTURES[machine]
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),
        (_ANSWER, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
    ]
    numbers = [pair[column] for pair in SYSCALLS.values()]
    for number in sorted(number for number in numbers if number is not None):
        program += [(_EQUAL, 0, 1, number), (_ANSWER, 0, 0, _ALLOW)]
    for pair, commands in COMMANDS.items():
        program += [(_EQUAL, 0, 2 * len(commands) + 2, pair[column]), (_LOAD, 0, 0, _SECOND_ARGUMENT)]
        for command in commands:
            program += [(_EQUAL, 0, 1, command), (_ANSWER, 0, 0, _ALLOW)]
        program.append((_ANSWER, 0, 0, _FAIL | _EPERM))
    # Libraries take the older call where this one is missing.
    program += [(_EQUAL, 0, 1, _CLONE3), (_ANSWER, 0, 0, _FAIL | _ENOSYS), (_ANSWER, 0, 0, _FAIL | _EPERM)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
