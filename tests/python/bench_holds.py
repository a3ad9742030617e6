"""Compares what `cpipe bench` says of a training with what `cpipe run` then takes, in alternation.

    python3 tests/python/bench_holds.py target/release/cpipe CIFAR [--width 16] [--batch 256]
        [--steps 40] [--rounds 3] [--devices libtorch-cpu,libtorch-cpu:bf16,flex]

CIFAR is the folder of the binary version, `cifar-10-batches-bin`; the training is the shipped one of
MoCo v2. A device may have a precision, as in `run_speed.py`. Each round asks `bench` and then runs.
Printed are medians of images a second, what `bench` says over what the run reaches, and which share
of a step `bench` finds no part for. The machine should have nothing else to do.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess

from run_speed import run_cpipe, training


def told(cpipe, device, width, batch, steps, folder):
    """Images a second, and the share of a step that no part explains."""
    command = [cpipe, "bench", *training(device, width, batch, steps), "--seconds", "8", "--json"]
    data = {"CPIPE_DATA": str(pathlib.Path(folder).parents[1])}
    ran = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **data})
    said = json.loads(ran.stdout)
    return said["images_per_second"], said["unexplained"]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("cpipe")
    parser.add_argument("cifar")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--devices", default="libtorch-cpu,libtorch-cpu:bf16,flex")
    given = parser.parse_args()
    folder = os.path.abspath(given.cifar)
    sizes = (given.width, given.batch, given.steps, folder)
    print("| | bench, img/s | run, img/s | bench over run | unexplained |\n|---|---|---|---|---|")
    for device in given.devices.split(","):
        said, reached, unexplained = [], [], []
        for _ in range(given.rounds):
            speed, share = told(given.cpipe, device, *sizes)
            said.append(speed)
            unexplained.append(share)
            reached.append(run_cpipe(given.cpipe, device, *sizes)[0])
        ratios = [own / other for own, other in zip(said, reached)]
        own, other, ratio, share = map(statistics.median, (said, reached, ratios, unexplained))
        print(f"| {device} | {own:.0f} | {other:.0f} | {ratio:.3f} | {share:.1%} |", flush=True)


if __name__ == "__main__":
    main()
