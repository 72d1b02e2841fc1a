"""The inside of the sandbox: ``python -I -S -B jail.py`` reads what to run, locks itself in, and runs it.

A script of its own that imports the standard library only: nothing of the program is in reach of the code it
runs. It reads one line of JSON from standard input, what to run and how to lock it in, and writes a line to
descriptor 3 before it runs anything: who protects what, or why it refuses. Whatever comes later cannot take the
protections off again: they are the kernel's.
"""

from __future__ import annotations

import ast
import ctypes
import json
import os
import resource
import signal
import struct
import sys
from collections.abc import Callable, Mapping
from traceback import TracebackException

SHOWN_FRAMES = 8
"""The last ones of an exception."""

REPORT = 3
"""The descriptor of the report."""

READABLE = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
"""Beside Python's own folders: shared libraries that its modules load."""

# ── numbers of the kernel's interface ─────────────────────────────────────────────────────────────────────

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 2, 4, 4096, 16384, 1 << 18
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV = 1, 2, 4
AT_FDCWD, AT_RECURSIVE, MNT_DETACH = -100, 0x8000, 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 22, 38
SYS_MOUNT_SETATTR, SYS_LANDLOCK_CREATE, SYS_LANDLOCK_ADD, SYS_LANDLOCK_RESTRICT = 442, 444, 445, 446
LANDLOCK_READ, LANDLOCK_EXECUTE = 0b1100, 0b1
"""Reading files and listing folders; starting programs."""

PIVOT_ROOT, CAPSET = {"x86_64": (155, 126), "aarch64": (41, 91)}.get(os.uname().machine, (0, 0))

_libc = ctypes.CDLL(None, use_errno=True)


class Refused(Exception):
    """This machine does not permit a protection; the message says which step failed."""


def _check(returned: int, step: str) -> int:
    if returned < 0:
        raise Refused(f"{step}: {os.strerror(ctypes.get_errno())}")
    return returned


def _long(value: int) -> ctypes.c_long:
    return ctypes.c_long(value)


def _prctl(option: int, value: int, step: str, pointer: object = None) -> None:
    _check(_libc.prctl(option, _long(value), pointer or _long(0), _long(0), _long(0)), step)


# ── files, the network: namespaces of its own, or else Landlock ───────────────────────────────────────────


def readable_folders() -> list[str]:
    """Return the folders that Python and its modules read, where they really are, none within another."""
    wanted = {f"{sys.base_prefix}/lib", f"{sys.base_prefix}/lib64", os.path.dirname(os.__file__), *READABLE}
    found = sorted({os.path.realpath(path) for path in wanted if os.path.isdir(path)})
    return [path for path in found if not any(path.startswith(f"{other}/") for other in found)]


def enter_namespaces(folder: str, limits: Mapping[str, int]) -> None:
    """Leave for a file system of Python's own folders, read-only, and a small one in memory to write in.

    Also a network without interfaces, and no System V queues but its own.
    """
    uid, gid = os.geteuid(), os.getegid()
    flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
    _check(_libc.unshare(flags), "unshare")
    try:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
                file.write(text)
    except OSError as error:
        raise Refused(f"mapping the user: {error.strerror}") from None
    _mount(None, "/", None, MS_REC | MS_PRIVATE)
    size = f"size={limits['disk_bytes']},nr_inodes={limits['files']},mode=755"
    _mount("tmpfs", folder, "tmpfs", MS_NOSUID | MS_NODEV, size)
    links = [path for path in READABLE if os.path.islink(path)]
    for source in readable_folders():
        os.makedirs(folder + source, exist_ok=True)
        _mount(source, folder + source, None, MS_BIND | MS_REC)
        attributes = struct.pack("=QQQQ", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0, 0, 0)
        place = (folder + source).encode()
        returned = _libc.syscall(
            _long(SYS_MOUNT_SETATTR), _long(AT_FDCWD), place, _long(AT_RECURSIVE), attributes, _long(32)
        )
        _check(returned, "mount_setattr")
    for link in links:
        if not os.path.lexists(folder + link):
            os.makedirs(os.path.dirname(folder + link), exist_ok=True)
            os.symlink(os.path.realpath(link), folder + link)
    os.mkdir(f"{folder}/sandbox", 0o700)
    os.chdir(folder)
    _check(_libc.syscall(_long(PIVOT_ROOT), b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", MNT_DETACH), "umount2")
    os.chdir("/sandbox")


def _mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    texts = [None if text is None else text.encode() for text in (source, target, kind, data)]
    returned = _libc.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3])
    _check(returned, f"mount {kind or target!r}")


def restrict_files(folder: str) -> None:
    """Have Landlock refuse all files but Python's own, to read, and those in the folder."""
    version = _libc.syscall(_long(SYS_LANDLOCK_CREATE), None, _long(0), _long(1))
    if version < 3:  # before, files that may be read could be emptied
        raise Refused("the kernel has no Landlock, or one older than version 3")
    rights = (1 << (15 if version < 5 else 16)) - 1  # version 5 knows commands to devices
    handled = struct.pack("=Q", rights)
    ruleset = _libc.syscall(_long(SYS_LANDLOCK_CREATE), handled, _long(len(handled)), _long(0))
    _check(ruleset, "Landlock")
    for path, allowed in [
        (folder, rights & ~LANDLOCK_EXECUTE),
        *((path, LANDLOCK_READ) for path in readable_folders()),
    ]:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        rule = struct.pack("=Qi", allowed & rights, descriptor)
        _check(_libc.syscall(_long(SYS_LANDLOCK_ADD), _long(ruleset), _long(1), rule, _long(0)), "Landlock")
        os.close(descriptor)
    _prctl(PR_SET_NO_NEW_PRIVS, 1, "no_new_privs")
    _check(_libc.syscall(_long(SYS_LANDLOCK_RESTRICT), _long(ruleset), _long(0)), "Landlock")
    os.close(ruleset)
    os.chdir(folder)


# ── processes, and all else that is asked of the kernel: seccomp ──────────────────────────────────────────


def drop_privileges() -> None:
    """Give up every capability, for good."""
    _prctl(PR_SET_NO_NEW_PRIVS, 1, "no_new_privs")
    header, none = struct.pack("=Ii", 0x20080522, 0), bytes(24)
    _check(_libc.syscall(_long(CAPSET), header, none), "capset")
    _prctl(PR_SET_DUMPABLE, 0, "dumpable")


def filter_syscalls(program: bytes) -> None:
    """Have the kernel refuse every call that a program for seccomp does not let through."""
    buffer = ctypes.create_string_buffer(program, len(program))
    pointer = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    _prctl(PR_SET_SECCOMP, 2, "seccomp", ctypes.create_string_buffer(pointer, len(pointer)))


# ── memory and time ───────────────────────────────────────────────────────────────────────────────────────


def limit_resources(limits: Mapping[str, int]) -> None:
    """Set the hard limits of this process."""
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, limits["cpu_seconds"]),
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, limits["disk_bytes"]),
        (resource.RLIMIT_NOFILE, limits["open_files"]),
    ):
        try:
            resource.setrlimit(kind, (most, most))
        except (ValueError, OSError) as error:
            raise Refused(f"setrlimit: {error}") from None


# ── the order of things ───────────────────────────────────────────────────────────────────────────────────

REFUSED_EVENTS = ("ctypes.", "os.exec", "os.fork", "os.posix_spawn", "os.system", "socket.", "subprocess.")
"""Names of audit events that are refused with a plain word before the kernel is asked."""


def lock(request: Mapping[str, object]) -> tuple[dict[str, str], dict[str, str]]:
    """Put up every protection there is; returns who protects what, and why what is not protected is not."""
    by, refused = dict[str, str](), dict[str, str]()
    folder, limits = str(request["folder"]), request["limits"]
    assert isinstance(limits, dict)
    program = bytes.fromhex(str(request["program"]))

    def attempt(step: Callable[[], None], who: str, *what: str) -> bool:
        try:
            if not program or sys.platform != "linux":
                raise Refused("it takes Linux on x86-64 or 64-bit ARM")
            step()
        except (Refused, OSError) as error:
            refused.update({name: f"{who}: {error}" for name in what if name not in by})
            return False
        by.update({name: who for name in what if name not in by})
        return True

    os.chdir(folder)
    if not attempt(lambda: enter_namespaces(folder, limits), "namespaces", "files", "disk", "network"):
        attempt(lambda: restrict_files(folder), "Landlock", "files")
    try:
        limit_resources(limits)
        by.update(memory="resource limits", cpu="resource limits")
    except Refused as error:
        refused.update(memory=str(error), cpu=str(error))
    attempt(drop_privileges, "capabilities", "privileges")
    attempt(lambda: filter_syscalls(program), "seccomp", "processes", "network")
    return by, {name: why for name, why in refused.items() if name not in by}


def refuse(event: str, _arguments: tuple[object, ...]) -> None:
    """Say in plain words what the kernel would refuse too."""
    if event.startswith(REFUSED_EVENTS):
        raise PermissionError(f"the sandbox does not permit {event}")


def main() -> None:
    """Read the request, lock this process in, report, and run the code."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    request = json.loads(sys.stdin.readline())
    if os.getppid() != request["parent"]:
        return
    by, refused = lock(request)
    lacking = {name: refused.get(name, "unknown") for name in request["requires"] if name not in by}
    with open(REPORT, "w", encoding="ascii") as report:
        json.dump({"protections": by, "lacking": lacking}, report)
    if not lacking:
        sys.addaudithook(refuse)
        run(request["code"])


def run(code: str) -> None:
    """Run a program; where its last line is an expression, its value is printed."""
    names: dict[str, object] = {"__name__": "__main__", "__builtins__": __builtins__}
    for module in ("ctypes", "_ctypes"):
        sys.modules.pop(module, None)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # what was printed outlives a kill
    try:
        tree = ast.parse(code, "<code>")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        show(error.with_traceback(None))
        sys.exit(1)
    try:
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr):
            tree.body.pop()
        exec(compile(tree, "<code>", "exec"), names)  # noqa: S102  # this process is for that
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), "<code>", "eval"), names)  # noqa: S307
            if value is not None:
                print(repr(value))  # noqa: T201
    except SystemExit:
        raise
    except BaseException as error:
        show(error)
        sys.exit(1)


def show(error: BaseException) -> None:
    """Print an exception as Python does, and those it came of, without a frame of this file."""
    told = TracebackException.from_exception(error, limit=-2 * SHOWN_FRAMES)
    left = [told]
    while left:
        each = left.pop()
        each.stack[:] = [frame for frame in each.stack if frame.filename != show.__code__.co_filename]
        del each.stack[:-SHOWN_FRAMES]
        left += filter(None, (each.__cause__, each.__context__, *(each.exceptions or ())))
    told.print()


if __name__ == "__main__":
    main()
