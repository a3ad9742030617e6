"""Two views of every picture of a folder: cpipe's, and torchvision's with its best workers.

    pip install torch torchvision
    python3 tests/python/folder_speed.py CPIPE [--pictures 2000] [--rounds 3]

The folder is made here: JPEGs of 224 to 320 pixels a side, smooth noise with edges at quality 90,
which is 20 to 40 kB each. torchvision decodes each in every epoch, with 0 to as many workers as
there are cores, and makes the two views of MoCo v2 at 224 pixels; the best count is taken. cpipe
decodes each once, into its cache (`first`), and makes the views from there (`later`): the views are
timed by `cpipe bench` on one core, and multiplied by the cores, of which the feed has no other work
than them. Rounds alternate. Printed are medians in pictures a second, and the ratio to torchvision.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

SIZE = 224
PIPELINE = """
use std.augment.moco_v2_crops
use std.datasets.folder
use std.encoders.convnet
use std.objectives.simclr

pipeline look() {
  dataset data = folder("set", classes: 2, train: TRAIN, test: 2, size: 256)
  pretrain base {
    data: data.train.unlabeled, views: moco_v2_crops(size: 224), objective: simclr(convnet(width: 1))
    optimizer: sgd(lr: 0.03), length: 2 epochs, batch: 2
  }
}
"""


def make(root, pictures):
    import numpy
    from PIL import Image

    random = numpy.random.default_rng(0)
    for index in range(pictures + 2):
        part = "train" if index < pictures else "val"
        folder = root / part / "ab"[index % 2]
        folder.mkdir(parents=True, exist_ok=True)
        width, height = random.integers(224, 321, 2)
        small = random.integers(0, 256, (height // 8, width // 8, 3), dtype=numpy.uint8)
        picture = Image.fromarray(small).resize((width, height), Image.BICUBIC)
        picture.save(folder / f"{index}.jpg", quality=90)


def torchvision(root, workers):
    from torch.utils.data import DataLoader
    from torchvision import datasets
    from torchvision import transforms as t

    class Two:
        def __init__(self):
            blur = t.GaussianBlur(13, (0.1, 2.0))
            self.recipe = t.Compose(
                [
                    t.RandomResizedCrop(SIZE, scale=(0.2, 1.0)),
                    t.RandomApply([t.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
                    t.RandomGrayscale(p=0.2),
                    t.RandomApply([blur], p=0.5),
                    t.RandomHorizontalFlip(),
                    t.ToTensor(),
                    t.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
                ]
            )

        def __call__(self, image):
            return self.recipe(image), self.recipe(image)

    data = datasets.ImageFolder(str(root / "train"), Two())
    loader = DataLoader(data, batch_size=64, shuffle=True, num_workers=workers)
    begun = time.perf_counter()
    seen = sum(len(labels) for _, labels in loader)
    return seen / (time.perf_counter() - begun)


def cpipe(binary, work, cores):
    """Pictures a second, the first time and later."""

    def run(*arguments):
        command = [binary, *arguments]
        environment = {**os.environ, "CPIPE_HOME": str(home), "CPIPE_DATA": str(work)}
        begun = time.perf_counter()
        quiet = subprocess.DEVNULL
        said = subprocess.run(
            command, env=environment, cwd=work, check=True, stdout=subprocess.PIPE, stderr=quiet
        )
        return time.perf_counter() - begun, said.stdout

    with tempfile.TemporaryDirectory() as home:
        look = ["views", "look.cpipe", "-o", "grid.png", "--examples", "1"]
        cold, warm = run(*look)[0], run(*look)[0]
        _, said = run("bench", "look.cpipe", "--json", "--seconds", "8", "--device", "flex")
    parts = json.loads(said)["recipes"][0]["parts"]
    view = sum(part["seconds"] for part in parts)
    decoding, viewing = cold - warm, 2 * view / cores
    return decoding, viewing


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("cpipe")
    parser.add_argument("--pictures", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        make(work / "set", options.pictures)
        (work / "look.cpipe").write_text(PIPELINE.replace("TRAIN", str(options.pictures)))
        theirs = {workers: [] for workers in range(cores + 1)}
        first, later = [], []
        for _ in range(options.rounds):
            for workers, rates in theirs.items():
                rates.append(torchvision(work / "set", workers))
            decoding, viewing = cpipe(options.cpipe, work, cores)
            first.append(options.pictures / (decoding + options.pictures * viewing))
            later.append(1 / viewing)
    best = max(statistics.median(rates) for rates in theirs.values())
    for workers, rates in theirs.items():
        print(f"torchvision, {workers} workers  {statistics.median(rates):7.0f} pictures/s")
    for name, rates in ("first", first), ("later", later):
        own = statistics.median(rates)
        print(f"cpipe, {name}             {own:7.0f} pictures/s  {own / best:5.1f}")


main()
