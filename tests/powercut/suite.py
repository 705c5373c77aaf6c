# SPDX-License-Identifier: MIT
"""try"""
import pathlib
import sys
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "vm"), str(HERE.parent / "lib")]
import phases, time, random
ph, kind, n = sys.argv[1:4]
p = phases.PHASES[ph]
if p.act: p.act = "fstrim /data"
if len(sys.argv) > 4: p.check = None
t=time.time()
lot = phases.Lot(p, kind, f"x{ph}{kind}")
print("total", lot.total, f"{time.time()-t:.1f}", flush=True)
for _ in range(int(n)):
    print(lot.cut(random.randrange(2**32)), f"{time.time()-t:.1f}", flush=True)
lot.discard()
