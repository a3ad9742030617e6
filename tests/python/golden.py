"""The numbers that src/objective/golden.rs holds the primitives against: PyTorch's, in f64.

usage: golden.py [--write] src/objective/golden.json

Checks that the file holds what PyTorch computes now, or writes it. The losses are written out from
their definitions, by PyTorch's own functions where it has them, and not as cpipe computes them.
"""

import json
import re
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

MATRICES = {
    "a": [
        [1.541, -0.293, -2.179, 0.568],
        [-1.085, -1.399, 0.403, 0.838],
        [-0.719, -0.403, -0.597, 0.182],
    ],
    "b": [
        [-0.857, 1.101, -1.071, 0.123],
        [-0.566, 0.373, -0.892, -1.509],
        [0.37, 1.457, 0.94, 0.775],
    ],
    "m": [
        [0.239, 0.734, -1.322, 1.315],
        [0.46, 1.117, 0.369, -0.187],
        [-3.145, -0.114, 1.696, -0.665],
        [1.155, -0.086, -1.961, 0.221],
        [-1.381, -2.055, 0.048, -0.386],
    ],
}
LABELS = [0, 2, 0]


def cosine_distance(a, b):
    return (2 - 2 * F.cosine_similarity(a, b)).mean()


def info_nce(query, key, negatives, temperature):
    logits = torch.cat([(query * key).sum(1, keepdim=True), query @ negatives.T], 1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long))


def pair_logits(a, b, temperature):
    views = torch.cat([a, b])
    return (views @ views.T / temperature).fill_diagonal_(-torch.inf)


def nt_xent(a, b, temperature):
    n = len(a)
    other = torch.arange(2 * n).roll(n)
    return F.cross_entropy(pair_logits(a, b, temperature), other)


def sup_con(a, b, labels, temperature):
    log_probability = pair_logits(a, b, temperature).log_softmax(1)
    labels = labels.repeat(2).tolist()
    loss = 0
    for i, label in enumerate(labels):
        positives = [p for p, other in enumerate(labels) if p != i and other == label]
        loss = loss - sum(log_probability[i, p] for p in positives) / len(positives)
    return loss / len(labels)


def spread(x):
    return F.normalize(x).std(0, correction=0).mean() * x.shape[1] ** 0.5


def contrast_accuracy(query, key, negatives):
    logits = torch.cat([(query * key).sum(1, keepdim=True), query @ negatives.T], 1)
    return (logits.argmax(1) == 0).double().mean()


def pair_accuracy(a, b):
    other = torch.arange(2 * len(a)).roll(len(a))
    return (pair_logits(a, b, 1).argmax(1) == other).double().mean()


# The primitive, its other arguments, and its tensor arguments with the matrix that each is given;
# no gradient flows through those that begin with an underscore.
CASES = [
    (F.normalize, {}, {"x": "a"}),
    (cosine_distance, {}, {"a": "a", "b": "b"}),
    (F.mse_loss, {}, {"a": "a", "b": "b"}),
    (info_nce, {"temperature": 0.07}, {"query": "a", "key": "b", "negatives": "m"}),
    (info_nce, {"temperature": 0.9}, {"query": "a", "key": "b", "negatives": "m"}),
    (nt_xent, {"temperature": 0.5}, {"a": "a", "b": "b"}),
    (sup_con, {"temperature": 0.7}, {"a": "a", "b": "b", "_labels": "labels"}),
    (F.cross_entropy, {}, {"logits": "a", "_labels": "labels"}),
    (torch.mean, {}, {"x": "a"}),
    (spread, {}, {"_x": "a"}),
    (contrast_accuracy, {}, {"_query": "a", "_key": "a", "_negatives": "m"}),
    (contrast_accuracy, {}, {"_query": "a", "_key": "b", "_negatives": "m"}),
    (pair_accuracy, {}, {"_a": "a", "_b": "b"}),
]
NAMES = {F.mse_loss: "mean_squared"}


def numbers(tensor):
    return [round(value, 10) for value in tensor.detach().flatten().tolist()]


def case(function, arguments, tensors):
    leaves = {
        name: torch.tensor(LABELS)
        if matrix == "labels"
        else torch.tensor(MATRICES[matrix], dtype=torch.double, requires_grad=name[0] != "_")
        for name, matrix in tensors.items()
    }
    value = function(*leaves.values(), **arguments)
    gradients = {}
    if value.requires_grad:
        # A matrix is made a number by the weights 0.1, 0.2, ….
        weights = torch.arange(1, value.numel() + 1).double() / 10
        total = value if value.dim() == 0 else (value.flatten() * weights).sum()
        total.backward()
        gradients = {n: numbers(leaf.grad) for n, leaf in leaves.items() if leaf.requires_grad}
    return {
        "primitive": NAMES.get(function, function.__name__),
        "arguments": arguments,
        "tensors": list(tensors.values()),
        "value": numbers(value),
        "gradients": gradients,
    }


def same(a, b):
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= 1e-9
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def main():
    path = Path(sys.argv[-1])
    golden = {
        "matrices": MATRICES,
        "labels": LABELS,
        "cases": [case(*row) for row in CASES],
    }
    if "--write" in sys.argv:
        text = json.dumps(golden, indent=2)
        # Lists of plain values on one line.
        text = re.sub(r"\[[^][{}]*\]", lambda found: " ".join(found[0].split()), text)
        path.write_text(text.replace("[ ", "[").replace(" ]", "]") + "\n", encoding="utf-8")
    held = json.loads(path.read_text(encoding="utf-8"))
    assert same(held, golden), f"{path} is not what PyTorch {torch.__version__} computes"
    print(f"{len(CASES)} cases of {path} are PyTorch's")


if __name__ == "__main__":
    main()
