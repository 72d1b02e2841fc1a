"""The sandbox's rules, without running anything: the filter of calls, the limits, what is refused."""

from __future__ import annotations

import struct
from collections.abc import Mapping

import pytest

from ttscale.tools.sandbox import SandboxLimits
from ttscale.tools.sandbox.syscalls import COMMANDS, SYSCALLS, seccomp_program

X86_64, AARCH64 = 0xC000003E, 0xC00000B7
ALLOW, KILL, EPERM, ENOSYS = 0x7FFF0000, 0x80000000, 0x00050001, 0x00050026


def decide(program: bytes, architecture: int, number: int, command: int = 0) -> int:
    """Run a program for seccomp as the kernel does."""
    seen: Mapping[int, int] = {0: number, 4: architecture, 24: command}
    instructions = list(struct.iter_unpack("=HBBI", program))
    place, loaded = 0, 0
    while True:
        code, if_true, if_false, value = instructions[place]
        place += 1
        if code == 0x20:
            loaded = seen[value]
        elif code == 0x15:
            place += if_true if loaded == value else if_false
        else:
            assert code == 0x06
            return int(value)


@pytest.mark.parametrize(
    ("machine", "architecture", "column"), [("x86_64", X86_64, 0), ("aarch64", AARCH64, 1)]
)
def test_listed_calls_pass_and_no_others(machine: str, architecture: int, column: int) -> None:
    program = seccomp_program(machine)
    assert program is not None
    permitted = {pair[column] for pair in SYSCALLS.values()} - {None}
    partly = {pair[column]: commands for pair, commands in COMMANDS.items()}
    for number in range(500):
        expected = ALLOW if number in permitted else ENOSYS if number == 435 else EPERM
        assert decide(program, architecture, number, 8) == expected, number
    for number, commands in partly.items():
        assert all(decide(program, architecture, number, command) == ALLOW for command in commands)
        assert decide(program, architecture, number, 15) == EPERM
    assert (
        decide(program, architecture, 0x40000000) == EPERM
    )  # the same calls by the numbers of another interface
    assert decide(program, 0x40000003, 4) == KILL  # of another architecture


@pytest.mark.parametrize(
    "name",
    [
        *(
            "clone",
            "fork",
            "vfork",
            "execve",
            "execveat",
            "kill",
            "tgkill",
            "tkill",
            "ptrace",
            "socket",
            "connect",
        ),
        *(
            "socketpair",
            "mount",
            "umount2",
            "pivot_root",
            "chroot",
            "unshare",
            "setns",
            "bpf",
            "io_uring_setup",
        ),
        *(
            "memfd_create",
            "chmod",
            "fchmodat",
            "chown",
            "truncate",
            "utimensat",
            "setrlimit",
            "prlimit64",
            "shmget",
        ),
        *(
            "process_vm_writev",
            "userfaultfd",
            "perf_event_open",
            "keyctl",
            "open_by_handle_at",
            "fcntl",
            "ioctl",
        ),
    ],
)
def test_nothing_that_leads_out_is_listed(name: str) -> None:
    assert name not in SYSCALLS


def test_the_commands_that_have_signals_sent_are_not_permitted() -> None:
    assert not {8, 10, 15, 1026, 1031} & set(COMMANDS[72, 25])  # owners, signals, notices, sizes of pipes


def test_no_number_is_listed_twice() -> None:
    for column in (0, 1):
        numbers = [pair[column] for pair in SYSCALLS.values() if pair[column] is not None]
        assert len(numbers) == len(set(numbers))


def test_other_machines_have_no_filter() -> None:
    assert seccomp_program("riscv64") is None


@pytest.mark.parametrize(
    "wrong", [{"seconds": 0}, {"seconds": float("inf")}, {"memory_bytes": 1}, {"files": 1}, {"output_bytes": 0}]
)
def test_limits_are_checked(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SandboxLimits(**wrong)
