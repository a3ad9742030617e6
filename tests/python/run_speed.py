"""Training steps of MoCo v2 on CIFAR-10 with everything that belongs to them, cpipe's and others'.

    python3 tests/python/run_speed.py target/release/cpipe CIFAR [--width 16] [--batch 256]
        [--steps 40] [--rounds 5] [--devices libtorch-cpu:bf16,flex] [--others torch-1:bf16,lightly-1]
        [--step STEP]

CIFAR is the folder of the binary version, `cifar-10-batches-bin`. All train the same network
(ResNet-18 with the small stem) by the same objective and optimizer on the two views of MoCo's demo
for CIFAR-10, without blur. `torch-N` is a plain script of PyTorch and torchvision with N processes
that load, `albumentations-N` the same on views of albumentations, `kornia-0` on those that kornia
makes of whole batches in the training's own process, `lightly-N` the same step on the transform,
the dataset and the loss of LightlySSL (each from PyPI, where it is installed). Maps lie channels
last in all, which is faster on processors. With `:bf16` networks compute in bfloat16: cpipe's
precision, PyTorch's automatic mixed precision.

Every round runs each side once, one after the other; its images a second are those from the end of
its first step to that of its last, its start the seconds from that of the process to the end of its
first step. With the benchmark of a step (see `step_speed.py`) there is, for each device, what cpipe
reaches on a batch that lies ready. Printed are medians, and the most memory of a process.
"""

import argparse
import copy
import glob
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

QUEUE, TEMPERATURE, MOMENTUM, DIM = 4096, 0.1, 0.99, 128
# When the process of the other side was started.
STARTED = "CPIPE_TEST_STARTED"
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)


def images(folder):
    """CIFAR-10's training images as Pillow's, in memory."""
    import numpy
    from PIL import Image

    rows = [numpy.fromfile(path, numpy.uint8) for path in sorted(glob.glob(f"{folder}/data_batch_*.bin"))]
    pixels = numpy.concatenate(rows).reshape(-1, 3073)[:, 1:].reshape(-1, 3, 32, 32)
    return [Image.fromarray(image) for image in pixels.transpose(0, 2, 3, 1)]


def torchvision_views():
    from torchvision import transforms as t

    jitter = t.RandomApply([t.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8)
    steps = [t.RandomResizedCrop(32, (0.2, 1.0)), jitter, t.RandomGrayscale(0.2), t.RandomHorizontalFlip()]
    one = t.Compose([*steps, t.ToTensor(), t.Normalize(MEAN, STD)])
    return lambda image: [one(image), one(image)]


def albumentations_views():
    import albumentations as a
    import numpy
    from albumentations.pytorch import ToTensorV2

    one = a.Compose(
        [
            a.RandomResizedCrop(size=(32, 32), scale=(0.2, 1.0)),
            a.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
            a.ToGray(p=0.2),
            a.HorizontalFlip(p=0.5),
            a.Normalize(MEAN, STD),
            ToTensorV2(),
        ]
    )

    def views(image):
        pixels = numpy.asarray(image)
        return [one(image=pixels)["image"], one(image=pixels)["image"]]

    return views


def kornia_views():
    """A function from a batch of bytes to its two views."""
    import torch
    from kornia import augmentation as k

    recipe = torch.nn.Sequential(
        k.RandomResizedCrop((32, 32), scale=(0.2, 1.0)),
        k.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        k.RandomGrayscale(p=0.2),
        k.RandomHorizontalFlip(),
        k.Normalize(torch.tensor(MEAN), torch.tensor(STD)),
    )

    def views(pixels):
        pixels = pixels.float() / 255
        return recipe(pixels), recipe(pixels)

    return views


def lightly_views():
    from lightly.transforms import MoCoV2Transform

    return MoCoV2Transform(
        input_size=32, min_scale=0.2, cj_strength=1.0, gaussian_blur=0.0,
        normalize={"mean": list(MEAN), "std": list(STD)},
    )


def batches(kind, workers, folder, batch):
    """Pairs of views, epoch after epoch."""
    import torch

    pictures = images(folder)
    if kind == "kornia":
        yield from whole_batches(pictures, batch)
    makers = {"torch": torchvision_views, "albumentations": albumentations_views, "lightly": lightly_views}
    views = makers[kind]()

    class Pairs(torch.utils.data.Dataset):
        def __len__(self):
            return len(pictures)

        def __getitem__(self, index):
            return views(pictures[index])

    loader = torch.utils.data.DataLoader(
        Pairs(), batch, shuffle=True, drop_last=True, num_workers=workers, persistent_workers=workers > 0
    )
    while True:
        yield from loader


def whole_batches(pictures, batch):
    """Pairs of views that are made of a batch at once, with nothing to load beside it."""
    import numpy
    import torch

    views = kornia_views()
    pixels = torch.from_numpy(numpy.stack([numpy.asarray(one) for one in pictures]))
    pixels = pixels.permute(0, 3, 1, 2).contiguous()
    while True:
        for rows in torch.randperm(len(pixels)).split(batch):
            if len(rows) == batch:
                yield views(pixels[rows])


def loss_of(kind):
    """A function from queries and keys to the loss, with its queue."""
    import torch
    import torch.nn.functional as F

    if kind == "lightly":
        from lightly.loss import NTXentLoss

        return NTXentLoss(temperature=TEMPERATURE, memory_bank_size=(QUEUE, DIM))
    queue, place = F.normalize(torch.randn(DIM, QUEUE), dim=0), 0

    def loss(q, k):
        nonlocal place
        q, k = F.normalize(q, dim=1), F.normalize(k, dim=1)
        # What the gradient reads is not to change before it, as in the authors' code.
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.clone()], 1) / TEMPERATURE
        result = F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))
        queue[:, place : place + len(q)] = k.T
        place = (place + len(q)) % QUEUE
        return result

    return loss


def train(side, folder, width, batch, steps):
    """Prints images a second from the end of the first step to that of the last."""
    import torch
    from torch import nn

    from step_speed import encoder

    side, _, precision = side.partition(":")
    kind, workers = side.rsplit("-", 1)
    mixed = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
    network, features = encoder(width)
    head = nn.Sequential(nn.Linear(features, features), nn.ReLU(), nn.Linear(features, DIM))
    query = nn.Sequential(network, head).to(memory_format=torch.channels_last)
    key = copy.deepcopy(query).requires_grad_(False)
    parameters = list(query.parameters())
    sgd = torch.optim.SGD(parameters, 0.06, momentum=0.9, weight_decay=5e-4, fused=True)
    criterion = loss_of(kind)
    begun = None
    for step, (a, b) in zip(range(steps), batches(kind, int(workers), folder, batch)):
        with mixed:
            q = query(a.to(memory_format=torch.channels_last))
            with torch.no_grad():
                torch._foreach_lerp_(list(key.parameters()), parameters, 1 - MOMENTUM)
                k = key(b.to(memory_format=torch.channels_last))
        loss = criterion(q.float(), k.float())
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        loss.item()
        begun = begun or time.time()
    speed = (steps - 1) * batch / (time.time() - begun)
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(speed, own / 2**20, begun - float(os.environ[STARTED]), flush=True)
    os._exit(0)


def training(device, width, batch, steps):
    """The shipped training, on a device that may have a precision, as arguments."""
    device, _, precision = device.partition(":")
    settings = [f"width={width}", f"batch={batch}", f"epochs={steps} steps"]
    settings += [f"base.precision={precision}"] if precision else []
    pipeline = str(pathlib.Path(__file__).parents[2] / "pipelines/moco_cifar10.cpipe")
    return [pipeline, "--device", device, *(part for own in settings for part in ("-o", own))]


def run_cpipe(cpipe, device, width, batch, steps, folder):
    data = {"CPIPE_DATA": str(pathlib.Path(folder).parents[1])}
    with tempfile.TemporaryDirectory() as place:
        command = [cpipe, "run", *training(device, width, batch, steps), "-o", "tune=2 steps"]
        command += ["--store", f"{place}/store", "--output", f"{place}/runs"]
        started = time.time()
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **data}
        )
        first, last, peak = None, None, 0
        while last is None and process.poll() is None:
            time.sleep(0.05)
            for line in open(f"/proc/{process.pid}/status"):
                if line.startswith("VmHWM:"):
                    peak = int(line.split()[1])
            for path in glob.glob(f"{place}/runs/*/events.jsonl"):
                for line in pathlib.Path(path).read_text().splitlines():
                    try:
                        event = json.loads(line)
                    except json.JSONDecodeError:
                        continue
                    if event["event"] == "step" and event["step"] == 1:
                        first = event["time"]
                    if event["event"] == "epoch":
                        last = event["time"]
        process.kill()
        process.wait()
    if last is None:
        raise RuntimeError(f"cpipe ended before its last step: {' '.join(map(str, command))}")
    return (steps - 1) * batch / (last - first) * 1000, peak / 2**20, first / 1000 - started


def on_a_fixed_batch(bench, device, width, batch, steps):
    from step_speed import Side

    side = Side([bench, *training(device, width, batch, steps)])
    side.take(3)
    speed = batch / side.take(steps)
    return speed, side.end(), float("nan")


def main():
    # Threads that sleep at once are slower, PyTorch's by a fifth.
    os.environ.pop("OMP_WAIT_POLICY", None)
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("cpipe")
    parser.add_argument("cifar")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--devices", default="libtorch-cpu,flex")
    parser.add_argument("--others", default="torch-0,torch-1,torch-2,lightly-1")
    parser.add_argument("--step")
    given = parser.parse_args()
    sizes = (given.width, given.batch, given.steps)
    folder = os.path.abspath(given.cifar)

    def other(side):
        command = [sys.executable, __file__, "--worker", side, folder, *map(str, sizes)]
        started = {STARTED: str(time.time())}
        output = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **started}
        ).stdout
        return map(float, output.split()[-3:])

    sides = {f"cpipe {own}": lambda own=own: run_cpipe(given.cpipe, own, *sizes, folder)
             for own in given.devices.split(",")}
    if given.step:
        sides |= {f"fixed batch {own}": lambda own=own: on_a_fixed_batch(given.step, own, *sizes)
                  for own in given.devices.split(",")}
    sides |= {own: lambda own=own: other(own) for own in filter(None, given.others.split(","))}
    speeds, starts = ({name: [] for name in sides} for _ in range(2))
    peaks = dict.fromkeys(sides, 0)
    for _ in range(given.rounds):
        for name, take in sides.items():
            speed, peak, start = take()
            speeds[name].append(speed)
            starts[name].append(start)
            peaks[name] = max(peaks[name], peak)
    medians = {name: statistics.median(own) for name, own in speeds.items()}
    first = next(iter(medians))
    print(f"ResNet-18, width {given.width}, batch {given.batch}, {given.rounds} rounds of {given.steps} steps")
    print(f"| | img/s | {first} to it | GiB | start, s |\n|---|---|---|---|---|")
    for name, own in medians.items():
        start = statistics.median(starts[name])
        print(f"| {name} | {own:.0f} | {medians[first] / own:.2f} | {peaks[name]:.2f} | {start:.2f} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        train(sys.argv[2], sys.argv[3], *map(int, sys.argv[4:]))
    else:
        main()
