"""How long `cpipe check` takes, as a whole process: of the shipped MoCo pipeline, and of a file of
1,000 lines with 20 objectives.

    python3 tests/python/check_speed.py target/release/cpipe
"""

import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

RUNS = 60

OBJECTIVE = """
/// Number {i} of the family: momentum contrast, symmetric, with a projector of its own.
define contrast_{i}(
  encoder:     Encoder,
  queue:       Int > 0        = 2048,
  momentum:    Float in 0..=1 = 0.99,
  temperature: Float > 0      = 0.2,
  dim:         Int > 0        = {dim},
) -> Objective {{
  let query = encoder >> mlp(hidden: encoder.width, out: dim)
  let key   = ema(query, momentum: momentum)

  given views a, b

  let q = normalize(query(a))
  let k = normalize(key(b))
  let r = normalize(query(b))
  let l = normalize(key(a))
  let earlier = fifo(k, size: queue)
  let other   = fifo(l, size: queue)
  minimize info_nce(q, k, negatives: earlier, temperature: temperature)
         + info_nce(r, l, negatives: other, temperature: temperature)

  report accuracy = contrast_accuracy(q, k, negatives: earlier)
  report spread   = spread(q)
}}
"""

STAGES = """
  encoder   backbone_{i} = {encoder}
  objective own_{i} = contrast_{i}(
    backbone_{i},
    queue:       {queue},
    momentum:    0.99,
    temperature: 0.{tenths},
  )

  pretrain base_{i} {{
    data:      data.train.unlabeled
    views:     moco_v2_crops(size: 32, blur: false)
    objective: own_{i}
    optimizer: sgd(lr: 0.06, momentum: 0.9, weight_decay: 5e-4)
    schedule:  cosine()
    length:    epochs
    batch:     batch
  }}

  evaluate near_{i} {{
    model:    base_{i}.encoder
    protocol: knn(k: 20, temperature: 0.1)
    fit:      data.train
    on:       data.test
  }}
"""


def family():
    text = "use std.augment.moco_v2_crops\nuse std.datasets.shapes\n"
    text += "use std.encoders.{convnet, resnet18}\n"
    for i in range(20):
        text += OBJECTIVE.format(i=i, dim=32 + 8 * i)
    text += "\npipeline family(\n  data: Dataset = shapes(), epochs: Duration = 2 epochs,\n"
    text += "  batch: Int = 256, width: Int = 16,\n) {\n"
    for i in range(20):
        encoder = "convnet(width: width)" if i % 2 else "resnet18(stem: small, width: width)"
        queue = 2048 if i % 3 else 1024
        text += STAGES.format(i=i, encoder=encoder, queue=queue, tenths=i % 9 + 1)
    return text + "\n  profile quick { epochs: 1 epochs, batch: 128 }\n}\n"


def milliseconds(command):
    begin = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return (time.perf_counter() - begin) * 1e3


def main():
    cpipe = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        large = pathlib.Path(folder) / "family.cpipe"
        large.write_text(family())
        lines = large.read_text().count("\n")
        for name, file in [("moco_cifar10", "std.pipelines.moco_cifar10"), (f"{lines} lines", large)]:
            found = subprocess.run([cpipe, "check", file], capture_output=True, text=True)
            if "0 errors, 0 warnings" not in found.stdout + found.stderr:
                sys.exit(f"{name} is not right:\n{found.stdout}{found.stderr}")
            times = [milliseconds([cpipe, "check", file]) for _ in range(RUNS)]
            print(f"{name}: median {statistics.median(times):.1f} ms, least {min(times):.1f} ms")


main()
