"""Faults put into a running process from outside, by ptrace(2): for what no input can be made to do."""
import contextlib
import ctypes
import os
import signal

ATTACH, DETACH, GETREGS, SETREGS = 16, 17, 12, 13
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.restype = ctypes.c_long
LIBC.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


class Registers(ctypes.Structure):
    """struct user_regs_struct of x86-64 (sys/user.h)."""
    _fields_ = [(name, ctypes.c_ulong) for name in (
        "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi",
        "orig_rax", "rip", "cs", "eflags", "rsp", "ss", "fs_base", "gs_base", "ds", "es", "fs", "gs")]


def call(request, pid, data=None):
    if LIBC.ptrace(request, pid, None, data) < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"ptrace({request}, {pid}): {os.strerror(error)}")


@contextlib.contextmanager
def stopped(pid):
    """The process does not run inside of this; what is changed of the registers counts."""
    call(ATTACH, pid)
    try:
        os.waitpid(pid, 0)
        registers = Registers()
        call(GETREGS, pid, ctypes.byref(registers))
        yield registers
        registers.orig_rax = ctypes.c_ulong(-1).value  # no system call is to be restarted
        call(SETREGS, pid, ctypes.byref(registers))
    finally:
        call(DETACH, pid)


def crash(pid, **values):
    """Lets it go on with these registers: crash(pid, rip=0) is a jump to nowhere."""
    with stopped(pid) as registers:
        for name, value in values.items():
            setattr(registers, name, value)


def possible():
    """Why this is not possible here, or None."""
    if os.uname().machine != "x86_64":
        return "the registers are those of x86-64"
    child = os.fork()
    while child == 0:
        signal.pause()  # it comes back when the system call is not restarted
    try:
        with stopped(child):
            return None
    except OSError as error:
        return str(error)
    finally:
        os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)
