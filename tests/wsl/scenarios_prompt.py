"""What a user of `wsl -d docker-desktop` sees: the status page, the prompt, and nothing of it in commands."""
import harness
from profiles import by_profile
from terminal import Terminal
from wsl_guest import WslGuest


@by_profile("wsl -d on a terminal: status page, state in the prompt, bash; wsl -e CMD: only its own output")
def greeting(_t, profile):
    with WslGuest(profile=profile) as guest:
        guest.boot()
        with Terminal(guest.words(tty=True)) as terminal:
            page, _ = terminal.expect("# ")
            for words in ("keel 0", "(wsl mode, up ", "Engine      ", "Network     ", "keel[", "] root@"):
                harness.contains(page, words)
            harness.equal(terminal.ask("echo $0 $SHELL; pwd"), ("bash /bin/bash\n/root\n", 0))
            terminal.type("exit 7\n")
            harness.equal(terminal.wait_end(), 7)
        harness.equal(guest.session("sh", "-lc", "echo out; echo err >&2"), (0, "out\n", "err\n"))
        harness.equal(guest.session(stdin=b"echo only this\n"), (0, "only this\n", ""))
