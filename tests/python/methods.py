"""A table of methods: every shipped pipeline for two epochs of CIFAR-10, one after the other.

    python3 tests/python/methods.py target/release/cpipe DEVICE RECORDS [NAME ...]

A row is printed as soon as it is there. RECORDS keeps the record of each run, and a run that is
there already is read and not made again. Times are those of the training stage on this machine;
memory is the largest that the process ever held, decoded images and evaluations included.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

PIPELINES = pathlib.Path(__file__).parents[2] / "pipelines"
# A random encoder of this width has 31 %.
LEAST = 31 + 6
# What the profile is elsewhere.
SHORT = ["-o", "epochs=2 epochs", "-o", "tune=20 steps", "-o", "batch=256", "-o", "width=16"]


def run(cpipe, device, pipeline, records):
    has_profile = "profile short" in pipeline.read_text()
    given = ["--profile", "short"] if has_profile else SHORT
    command = [cpipe, "run", pipeline, *given, "--device", device, "--output", records]
    # In a store of its own nothing is there already.
    with tempfile.TemporaryDirectory() as store:
        process = subprocess.Popen(
            [*command, "--store", store], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        said = process.stderr.read()
        # Of this one child: the sum over all children would keep the largest of all.
        _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise RuntimeError(said[-2000:])
    return usage.ru_maxrss / 2**20


def row(record, memory):
    results = json.loads((record / "results.json").read_text())
    percent = {entry["stage"]: 100 * entry["value"] for entry in results}
    events = [json.loads(line) for line in (record / "events.jsonl").read_text().splitlines()]
    base = [event for event in events if event.get("stage") == "base"]
    seconds = next(event["seconds"] for event in base if event["event"] == "stage-finished")
    metrics = [json.loads(line) for line in (record / "base.metrics.jsonl").read_text().splitlines()]
    spread = metrics[-1]["metrics"].get("spread", float("nan"))
    return percent, seconds, spread, memory


def main():
    cpipe, device, records, *names = sys.argv[1:]
    names = names or sorted(path.stem.removesuffix("_cifar10") for path in PIPELINES.glob("*_cifar10.cpipe"))
    print("| pipeline | kNN | probe | spread | minutes | GiB |")
    print("|---|---|---|---|---|---|")
    short = []
    for name in names:
        folder = pathlib.Path(records) / name
        memory = folder / "memory"
        if not memory.exists():
            try:
                peak = run(cpipe, device, PIPELINES / f"{name}_cifar10.cpipe", folder)
            except RuntimeError as error:
                print(f"| {name} | failed: {error} |", flush=True)
                short.append(name)
                continue
            memory.write_text(str(peak))
        last = max(path for path in folder.iterdir() if path.is_dir())
        percent, seconds, spread, peak = row(last, float(memory.read_text()))
        probe = f"{percent['probe']:.1f}" if "probe" in percent else "-"
        known = f"{percent['neighbours']:.1f} | {probe}"
        print(f"| {name} | {known} | {spread:.2f} | {seconds / 60:.1f} | {peak:.1f} |", flush=True)
        if percent["neighbours"] < LEAST:
            short.append(name)
    if short:
        sys.exit(f"under {LEAST} %: {', '.join(short)}")


main()
