"""Compares what `cpipe plan` says of time and memory with what `cpipe run` then takes.

    python plan_holds.py BINARY [DEVICE...]

For each pipeline: the memory that `plan` expects, the memory and the time that `plan --measure`
tells, and what the run of all stages needs, each with its ratio to the run's. Memory is the most that
the process has had (`ru_maxrss`). The machine should have nothing else to do.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

SMALL = ["-o", "data=shapes(train: 2048, test: 1000)", "-o", "batch=128"]
STEPS = SMALL + ["-o", "epochs=40 steps", "-o", "tune=30 steps"]
RESNET = ["-o", "backbone=resnet18(stem: small, width: 16)"]
IMAGENET = ["-o", "backbone=resnet18(stem: imagenet, width: 64)"]
BOTTLENECK = ["-o", "backbone=resnet50(stem: small, width: 8)"]
MOCO = ["pipelines/moco_cifar10.cpipe", "--profile", "quick"]
SIMCLR = ["pipelines/simclr_cifar10.cpipe", "--profile", "quick"]
CASES = {
    "moco quick": MOCO,
    "moco resnet18/16": MOCO + STEPS + RESNET,
    "moco resnet18/64 imagenet": MOCO + STEPS + IMAGENET,
    "moco resnet50/8": MOCO + STEPS + BOTTLENECK,
    "simclr resnet18/16": SIMCLR + STEPS + RESNET,
}


def told(binary, home, arguments):
    """What a plan says."""
    command = [binary, "plan", *arguments, "--json", "--store", f"{home}/store"]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(ran.stdout)


def taken(binary, home, arguments):
    """The seconds and the bytes of a run."""
    command = [binary, "run", *arguments, "--store", f"{home}/store", "--output", f"{home}/runs"]
    begun = time.monotonic()
    with open(os.devnull, "w") as nowhere:
        child = subprocess.Popen(command, stdout=nowhere, stderr=nowhere)
        _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, command
    return time.monotonic() - begun, usage.ru_maxrss * 1024


def main():
    binary, devices = sys.argv[1], sys.argv[2:] or ["auto"]
    print(f"{'':42}  {'expected':>16}  {'measured':>16}  {'time':>16}")
    for device in devices:
        for name, arguments in CASES.items():
            arguments = [*arguments, "--device", device]
            with tempfile.TemporaryDirectory() as home:
                expected = told(binary, home, arguments)["expected_memory"]
                measured = told(binary, home, [*arguments, "--measure"])
                seconds, memory = taken(binary, home, arguments)
            mebibytes = lambda said: f"{said / 2**20:5.0f} MiB {said / memory - 1:+6.1%}"
            print(
                f"{device + ' ' + name:42}  {mebibytes(expected):>16}  "
                f"{mebibytes(measured['measured_memory']):>16}  "
                f"{measured['seconds']:6.1f} s {measured['seconds'] / seconds - 1:+6.1%}",
                flush=True,
            )


if __name__ == "__main__":
    main()
