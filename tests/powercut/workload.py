# SPDX-License-Identifier: MIT
"""Cuts in the middle of the engine's work, one after the other on the same disk.

Used by cuts.py. Between two cuts containers write into volumes, and images are imported and committed; what they say is
durable crosses the vsock device and is kept here. After each cut the guest boots, the engine has to be ready by itself,
and all that was reported since the first boot has to be there. A volume's file is durable when the container was
told so by fsync(2). An image is when the command has returned and sync(1) after it: dockerd 26 itself does
not sync the files of a layer. What became of images that were not synced is counted in `unsynced`, not judged.
"""
import collections
import io
import random
import tarfile
import threading

import guests
import harness
import ledger
import machine
import machines
import run as makerun
from cut import Cut, suffix
from machines import Machine
from phases import draw_seed

VOLUMES = ("left", "right")
BASE_IMAGE = "keel/cuts"
IMAGE = "keel/image"
IMAGE_PAGES = 40
SIZE = "4G"
WRITES_MAX = 1200    # the power goes after so many writes at most, from when the work is under way
SECONDS_MAX = 6.0    # or so many seconds
STALLED_SECONDS = 120
# What is not synced is written at once too, not after half a minute: more is under way when the power goes.
WRITE_BACK = "echo 20 >/proc/sys/vm/dirty_writeback_centisecs; echo 30 >/proc/sys/vm/dirty_expire_centisecs"


def archive(files, onto=b""):
    """A tar of {path: content}, added to what another one holds."""
    output = io.BytesIO(onto)
    with tarfile.open(fileobj=output, mode="a" if onto else "w") as tar:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), 0o755
            tar.addfile(entry, io.BytesIO(content))
    return output.getvalue()


def program():
    return (machine.BUILD / "lab" / "durable").read_bytes()


class Chain:
    """One guest and its disk, through any number of cuts."""

    def __init__(self, kind, guest):
        self.kind, self.guest = kind, guest
        self.path = machines.DISKS / f"{guest}{suffix(kind)}"
        self.box = Machine(guest, self.path)
        self.volumes = {}
        self.images = []      # tags that are durable
        self.checked = set()  # of these, found whole after a cut
        self.returned = []    # tags whose command has returned, since the last cut, without a sync yet
        self.unsynced = collections.Counter()
        self.round = 0
        self.trouble = ""

    def begin(self):
        """A new disk, with nothing on it but the image of the workload."""
        machines.DISKS.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self.volumes = {name: ledger.Ledger() for name in VOLUMES}
        self.images, self.checked, self.returned = [], set(), []
        if self.kind == "vhdx":
            machine.make_data_file(self.path, SIZE)
        else:
            machines.run("truncate", "-s", SIZE, self.path)
        self.box.boot()
        self.box.wait_ready()
        self.docker("import", "-", BASE_IMAGE, data=archive({"bin/durable": program()}, makerun.small_image()))
        for name in VOLUMES:
            self.docker("volume", "create", name)
        self.box.sh("sync")

    def discard(self):
        self.box.end()
        self.path.unlink(missing_ok=True)

    def docker(self, *arguments, **options):
        return guests.docker(self.guest, *arguments, **options)

    # ---- the work -----------------------------------------------------------------------------------

    def start_writer(self, volume):
        number = self.round * 10 + VOLUMES.index(volume)
        command = [str(guests.HERE / "vm"), "docker", "--name", self.guest, "--deadline", "0", "run", "-i",
                   "--name", f"{volume}-{self.round}", "-v", f"{volume}:/v", BASE_IMAGE,
                   "/bin/durable", "write", "/v", str(number)]
        return machines.Reporter(command, self.volumes[volume])

    def import_one(self, tag):
        content = ledger.whole_file(tag, IMAGE_PAGES)
        self.docker("import", "-", f"{IMAGE}:{tag}", data=archive({"bin/durable": program(), "data": content}))

    def commit_one(self, tag):
        self.docker("run", "--name", tag, BASE_IMAGE, "/bin/durable", "file", "/data", tag, str(IMAGE_PAGES))
        self.docker("commit", tag, f"{IMAGE}:{tag}")
        self.docker("rm", tag)

    def make_images(self, over):
        """Until the power goes; then whatever fails is no news."""
        number = 0
        try:
            while not over.is_set():
                make = (self.import_one, self.commit_one)[number % 2]
                tag = f"i{self.round}-{number}"
                make(tag)
                self.returned.append(tag)
                self.box.sh("sync")
                self.returned.remove(tag)
                self.images.append(tag)
                number += 1
        except (harness.Failure, OSError) as error:
            if not over.is_set():
                self.trouble = str(error)

    def work_until_cut(self, rng, result):
        """Starts it all; the power goes at a random moment after the first image and some writes are durable."""
        over, self.trouble = threading.Event(), ""
        self.box.sh(WRITE_BACK)
        images = len(self.images)
        reporters = [self.start_writer(volume) for volume in VOLUMES]
        maker = threading.Thread(target=self.make_images, args=(over,), daemon=True)
        maker.start()
        try:
            for reporter in reporters:
                reporter.wait_reports(reporter.ledger.reports + 10)
            harness.retry_until(STALLED_SECONDS, lambda: len(self.images) > images or self.trouble, "an image")
            self.wait_moment(rng, result)
            harness.check(not self.trouble, self.trouble)
        finally:
            over.set()
            result.kept, result.lost = self.box.cut(result.seed)
            maker.join(60)
            for reporter in reporters:
                reporter.finish()

    def wait_moment(self, rng, result):
        if self.kind == "cache":
            writes = rng.randint(1, WRITES_MAX)
            self.box.medium.cut_in(writes)
            result.point = f"{writes} writes"
            harness.check(self.box.medium.off.wait(STALLED_SECONDS), "the writes dried up")
        else:
            seconds = rng.uniform(0, SECONDS_MAX)
            result.point = f"{seconds:.2f} s"
            threading.Event().wait(seconds)

    # ---- one cut ------------------------------------------------------------------------------------

    def seeds(self, count):
        return [draw_seed() for _ in range(count)]

    def cut(self, seed):
        """Works, cuts, boots, verifies; a Cut. After a problem there is a new disk: what is lost stays lost."""
        self.round += 1
        result = Cut("work", self.kind, seed)
        try:
            self.work_until_cut(random.Random(seed), result)
            result.reported = len(self.images) + sum(each.count() for each in self.volumes.values())
            with machines.evidence(self.path, result):
                self.box.boot()
                self.box.wait_ready()
                result.verified = self.verify()
        except (harness.Failure, OSError) as error:
            result.problem = harness.describe(error)
            self.box.end()
            self.begin()
        return result

    def verify(self):
        names = set(self.docker("volume", "ls", "-q").split())
        harness.equal(sorted(names & set(VOLUMES)), sorted(VOLUMES), "volumes")
        for name, each in self.volumes.items():
            complaints = each.complaints(self.box.tree(f"/data/docker/volumes/{name}/_data"))
            harness.check(not complaints, f"volume {name}: {len(complaints)} of {each.count()}: {complaints[:5]}")
        self.verify_images()
        self.box.check_file_system()
        self.docker("rm", "-f", *(f"{volume}-{self.round}" for volume in VOLUMES))
        return len(self.images) + sum(each.count() for each in self.volumes.values())

    def verify_images(self):
        """Each is listed; each that is new since the last cut gives a container with the right content."""
        listed = set(self.docker("images", "--format", "{{.Tag}}", IMAGE).split())
        missing = [tag for tag in self.images if tag not in listed]
        harness.check(not missing, f"images that were reported are lost: {missing}")
        for tag in self.images:
            if tag not in self.checked:
                harness.equal(self.run_image(tag), "whole", f"image {tag}")
                self.checked.add(tag)
        for tag in self.returned:
            self.unsynced[self.run_image(tag) if tag in listed else "absent"] += 1
        self.returned.clear()

    def run_image(self, tag):
        """"whole", or what is wrong with it."""
        result = guests.vm("docker", self.guest, "run", "--rm", f"{IMAGE}:{tag}", "/bin/durable", "check", "/data", tag,
                           str(IMAGE_PAGES))
        return "whole" if result.stdout == b"whole\n" else f"broken: {result.stderr.decode(errors='replace').strip()}"
