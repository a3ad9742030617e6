"""Views a second, cpipe's and those of other libraries, in alternation.

    cargo bench --bench views --no-run                # prints the path of VIEWS
    pip install torch torchvision albumentations kornia
    python3 tests/python/views_speed.py VIEWS [--rounds 5] [--cores 1,2]

The recipe is that of MoCo v2 on images of 32 pixels, blur included, to a normalised float tensor.
Each library has it in the form that its documentation gives: torchvision on images of PIL,
albumentations on arrays of NumPy, kornia on batches of 256 on the processor. On several cores a
side is as many processes, which work at the same time. Every round asks each side once, one after
the other. Printed are medians and the ratio of cpipe's.
"""

import argparse
import statistics
import subprocess
import sys
import time

SIDE, BATCH = 32, 256
SIDES = ["cpipe", "torchvision", "albumentations", "kornia"]
MEAN, STD = [0.49, 0.48, 0.45], [0.25, 0.24, 0.26]


def images():
    import numpy

    return numpy.random.default_rng(0).integers(0, 256, (BATCH, SIDE, SIDE, 3), dtype=numpy.uint8)


def torchvision():
    import random

    from PIL import Image, ImageFilter
    from torchvision import transforms as t

    class Blur:
        def __call__(self, image):
            return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))

    recipe = t.Compose(
        [
            t.RandomResizedCrop(SIDE, scale=(0.2, 1.0)),
            t.RandomApply([t.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            t.RandomGrayscale(p=0.2),
            t.RandomApply([Blur()], p=0.5),
            t.RandomHorizontalFlip(),
            t.ToTensor(),
            t.Normalize(MEAN, STD),
        ]
    )
    sources = [Image.fromarray(image) for image in images()]
    return lambda: [recipe(source) for source in sources]


def albumentations():
    import albumentations as a
    from albumentations.pytorch import ToTensorV2

    recipe = a.Compose(
        [
            a.RandomResizedCrop(size=(SIDE, SIDE), scale=(0.2, 1.0)),
            a.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
            a.ToGray(p=0.2),
            a.GaussianBlur(blur_limit=0, sigma_limit=(0.1, 2.0), p=0.5),
            a.HorizontalFlip(p=0.5),
            a.Normalize(MEAN, STD),
            ToTensorV2(),
        ]
    )
    sources = images()
    return lambda: [recipe(image=source)["image"] for source in sources]


def kornia():
    import torch
    from kornia import augmentation as k

    recipe = torch.nn.Sequential(
        k.RandomResizedCrop((SIDE, SIDE), scale=(0.2, 1.0)),
        k.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        k.RandomGrayscale(p=0.2),
        k.RandomGaussianBlur((13, 13), (0.1, 2.0), p=0.5),
        k.RandomHorizontalFlip(),
        k.Normalize(torch.tensor(MEAN), torch.tensor(STD)),
    )
    sources = torch.from_numpy(images()).permute(0, 3, 1, 2).contiguous()
    return lambda: recipe(sources.float() / 255)


def work(side):
    """Says how many views a second it makes, once for each line that it reads."""
    import torch

    torch.set_num_threads(1)
    make = {"torchvision": torchvision, "albumentations": albumentations, "kornia": kornia}[side]()
    make()
    print("ready", flush=True)
    for _ in sys.stdin:
        made, begun = 0, time.perf_counter()
        while time.perf_counter() - begun < 2.0:
            make()
            made += BATCH
        print(made / (time.perf_counter() - begun), flush=True)


class Others:
    """A library in a process of its own, which waits until it is asked."""

    def __init__(self, side):
        pipe = subprocess.PIPE
        command = [sys.executable, __file__, "--side", side]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=quiet, text=True)
        assert self.process.stdout.readline() == "ready\n", f"{side} does not start"

    def begin(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def rate(self):
        return float(self.process.stdout.readline())


class Ours:
    """The benchmark, started anew each time: it takes no time to start."""

    def __init__(self, bench):
        self.command = [bench, "--bench", "moco_v2_crops", "--min-time", "2"]

    def begin(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, text=True)

    def rate(self):
        said, _ = self.process.communicate()
        # The line under the recipe's: fastest, slowest, median, mean.
        rates = next(line for line in said.splitlines() if "item/s" in line)
        number, unit = rates.split("│")[-3].split()[:2]
        return float(number) * {"item/s": 1, "Kitem/s": 1e3, "Mitem/s": 1e6}[unit]


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("bench", nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cores", default="1,2")
    parser.add_argument("--side")
    options = parser.parse_args()
    if options.side:
        return work(options.side)
    for cores in map(int, options.cores.split(",")):
        sides = {
            side: [Ours(options.bench) if side == "cpipe" else Others(side) for _ in range(cores)]
            for side in SIDES
        }
        rates = {side: [] for side in SIDES}
        for _ in range(options.rounds):
            for side, processes in sides.items():
                for process in processes:
                    process.begin()
                rates[side].append(sum(process.rate() for process in processes))
        own = statistics.median(rates["cpipe"])
        for side in SIDES:
            median = statistics.median(rates[side])
            print(f"{cores} cores  {side:15} {median:8.0f} views/s  {own / median:5.1f}", flush=True)


main()
