"""The numbers that src/objective/golden.rs holds operations and losses against: PyTorch's, in f64.

usage: golden.py [--write] src/objective/golden.json

Checks that the file holds what PyTorch computes now, or writes it. What is compared is written out
from its definition, by PyTorch's own functions where it has them, and not as cpipe computes it.
"""

import itertools
import json
import re
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.double)


def pattern(*shape, scale=1.0, shift=0.0):
    """Numbers without a rule, of three decimals, none near another or near zero."""
    count = torch.Size(shape).numel()
    values = [((i * i * 7919 + i * 613 + len(shape) * 104729) % 2003) / 667 - 1.5 for i in range(1, count + 1)]
    values = [round(value + (0.05 if abs(value) < 0.05 else 0), 3) for value in values]
    return torch.tensor(values).reshape(shape) * scale + shift


ARRAYS = {
    "a": torch.tensor(
        [
            [1.541, -0.293, -2.179, 0.568],
            [-1.085, -1.399, 0.403, 0.838],
            [-0.719, -0.403, -0.597, 0.182],
        ]
    ),
    "b": torch.tensor(
        [
            [-0.857, 1.101, -1.071, 0.123],
            [-0.566, 0.373, -0.892, -1.509],
            [0.37, 1.457, 0.94, 0.775],
        ]
    ),
    "m": torch.tensor(
        [
            [0.239, 0.734, -1.322, 1.315],
            [0.46, 1.117, 0.369, -0.187],
            [-3.145, -0.114, 1.696, -0.665],
            [1.155, -0.086, -1.961, 0.221],
            [-1.381, -2.055, 0.048, -0.386],
        ]
    ),
    # Of length one.
    "close": F.normalize(pattern(5, 3), dim=1),
    "close_b": F.normalize(pattern(5, 3, scale=0.9, shift=0.2), dim=1),
    "square": pattern(4, 4),
    "tall": pattern(6, 3),
    "tall_b": pattern(6, 3, scale=0.7, shift=0.11),
    "long": pattern(12, 3),
    "small": pattern(6, 3, scale=0.6),
    "wide": pattern(3, 2),
    "cube": pattern(2, 3, 4),
    "images": pattern(2, 3, 4, 4),
    "cube_b": pattern(2, 4, 3, scale=0.8, shift=0.07),
    "cube_c": pattern(3, 4, 2),
    "cube_d": pattern(5, 2, 3),
    "definite": pattern(4, 6) @ pattern(4, 6).T + torch.eye(4),
    "definites": pattern(2, 3, 5) @ pattern(2, 3, 5).mT + 0.5 * torch.eye(3),
    "flat": pattern(2, 3),
    "ranks": torch.tensor([[2.0, 0.0, 3.0, 1.0], [3.0, 2.0, 1.0, 0.0]]),
    "vector": torch.tensor([0.4, -1.2, 0.9]),
    "row": torch.tensor([0.3, -0.8, 1.7, 0.6]),
    "positive": pattern(3, 4).abs() + 0.2,
}
# Whole numbers, and of how many they are places.
WHOLE = {
    "labels": ([0, 2, 0], 4),
    "places": ([4, 0, 3], 5),
    "more": ([1, 0, 3, 4, 2], 5),
    "orders": ([5, 0, 9, 1], 10),
    "columns": ([3, 0, 1, 2], 4),
}


def over(function):
    """A reduction by the name of what it takes away."""

    def reduce(x, over):
        if over == "all":
            return function(x.flatten(), 0)
        return function(x, 0 if over == "first" else -1)

    return reduce


def center(x):
    return x - x.mean(0)


def standardize(x, epsilon):
    return F.batch_norm(x, None, None, training=True, eps=epsilon)


def variance(x, unbiased=True):
    return x.var(0, correction=int(unbiased))


def cross_covariance(a, b, unbiased=True):
    joint = torch.cat([a, b], 1).T
    return torch.cov(joint, correction=int(unbiased))[: a.shape[1], a.shape[1] :]


def whiten(x, groups=1, epsilon=0.001):
    parts = []
    for part in x.tensor_split(groups):
        centered = part - part.mean(0)
        covariance = centered.T @ centered / (len(part) - 1)
        covariance = (1 - epsilon) * covariance + epsilon * torch.eye(x.shape[1]).double()
        factor = torch.linalg.cholesky(covariance)
        parts.append(torch.linalg.solve_triangular(factor, centered.T, upper=False).T)
    return torch.cat(parts)


def iter_norm(x, groups=1, iterations=5, epsilon=1e-5):
    """Huang et al. 2019, algorithm 1, of each group of dimensions."""
    parts = []
    for part in x.tensor_split(groups, dim=1):
        d = part.shape[1]
        covariance = torch.cov(part.T, correction=0) + epsilon * torch.eye(d)
        scaled = covariance / covariance.trace()
        root = torch.eye(d)
        for _ in range(iterations):
            root = (3 * root - torch.linalg.matrix_power(root, 3) @ scaled) / 2
        parts.append((part - part.mean(0)) @ root / covariance.trace().sqrt())
    return torch.cat(parts, 1)


def epps_pulley(x, reach=3.0, knots=17):
    """By PyTorch's trapezoids over both halves of the axis, through the complex function."""
    t = torch.linspace(-reach, reach, 2 * knots - 1)
    own = torch.exp(1j * x[..., None] * t).mean(0)
    normal = torch.exp(-t.square() / 2)
    return len(x) * torch.trapezoid((own - normal).abs().square() * normal, t, dim=-1)


def pieces(x, grid):
    side = x.shape[2] // grid
    x = x[:, :, : side * grid, : side * grid]
    cut = x.unfold(2, side, side).unfold(3, side, side)
    return cut.flatten(2, 3).permute(2, 0, 1, 3, 4).flatten(0, 1)


def arrange(x, order, count):
    orders = list(itertools.permutations(range(len(x))))
    orders = [orders[own % count * len(orders) // count] for own in order.tolist()]
    return torch.stack([x[list(own), row].flatten() for row, own in enumerate(orders)])


def windows(x, grid, side):
    places = [place * (x.shape[2] - side) // (grid - 1) for place in range(grid)]
    cut = [x[:, :, row : row + side, at : at + side] for row in places for at in places]
    return torch.cat(cut)


def following_rows(x, count):
    rest = len(x) - count
    ahead = range(1, count + 1)
    return torch.stack([x[own : own + rest].flatten(0, 1) for own in ahead])


def patches(x, side):
    height, width = (size // side * side for size in x.shape[2:])
    return F.unfold(x[:, :, :height, :width], side, stride=side).mT


def put_rows(x, order):
    blank = torch.zeros(order.shape[1], x.shape[2])
    places = order.argsort(1)[:, : x.shape[1]]
    return torch.stack([blank.index_put((own,), rows) for own, rows in zip(places, x)])


def sinkhorn(x, epsilon=0.05, iterations=3):
    q = torch.exp(x / epsilon).T
    q = q / q.sum()
    for _ in range(iterations):
        q = q / q.sum(1, keepdim=True) / q.shape[0]
        q = q / q.sum(0, keepdim=True) / q.shape[1]
    return (q * q.shape[1]).T


def off_diagonal(x):
    n = len(x)
    return x[~torch.eye(n).bool()].reshape(n, n - 1)


def cosine_distance(a, b):
    return (2 - 2 * F.cosine_similarity(a, b)).mean()


def info_nce(query, key, negatives, temperature):
    logits = torch.cat([(query * key).sum(1, keepdim=True), query @ negatives.T], 1) / temperature
    return F.cross_entropy(logits, torch.zeros(len(query), dtype=torch.long))


def batch_info_nce(query, key, temperature):
    return F.cross_entropy(query @ key.T / temperature, torch.arange(len(query)))


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


def decoupled(a, b, temperature, weights):
    """Yeh et al. 2021, eq. 6 and 7: the positive of a view is in no denominator."""
    views, n = torch.cat([a, b]), len(a)
    loss = 0
    for i in range(2 * n):
        pair = views[i] @ views[(i + n) % (2 * n)]
        others = [views[i] @ views[j] for j in range(2 * n) if j % n != i % n]
        others = torch.stack(others) / temperature
        loss = loss - weights[i % n] * pair / temperature + others.logsumexp(0)
    return loss / (2 * n)


def dcl(a, b, temperature):
    return decoupled(a, b, temperature, torch.ones(len(a)))


def hard_triplet(a, b, margin):
    near = 2 - 2 * (a * b).sum(1)
    far = 2 - 2 * torch.cat([a @ b.T, a @ a.T], 1)
    own = torch.eye(len(a)).bool().repeat(1, 2)
    return (near - far.masked_fill(own, torch.inf).min(1).values + margin).relu().mean()


def semi_hard_triplet(a, b, margin):
    near = 2 - 2 * (a * b).sum(1)
    far = 2 - 2 * torch.cat([a @ b.T, a @ a.T], 1)
    own = torch.eye(len(a)).bool().repeat(1, 2)
    least = far.masked_fill(own | (far < near[:, None]), torch.inf).min(1).values
    return (near - least + margin).relu().mean()


def dclw(a, b, temperature, sigma=0.5):
    near = torch.exp((a * b).sum(1).detach() / sigma)
    return decoupled(a, b, temperature, 2 - near / near.mean())


def coding_rate(x, epsilon):
    n, d = x.shape[-2:]
    return torch.logdet(torch.eye(d) + d / (n * epsilon) * x.mT @ x) / 2


def redundancy(x):
    covariance = torch.cov(x.T)
    return (covariance.pow(2).sum() - covariance.diagonal().pow(2).sum()) / x.shape[1]


def kl_gaussian(mu, log_variance):
    own = torch.distributions.Normal(mu, torch.exp(log_variance / 2))
    standard = torch.distributions.Normal(torch.zeros_like(mu), torch.ones_like(mu))
    return torch.distributions.kl_divergence(own, standard).sum(1).mean()


def spread(x):
    return F.normalize(x).std(0, correction=0).mean() * x.shape[1] ** 0.5


def contrast_accuracy(query, key, negatives):
    logits = torch.cat([(query * key).sum(1, keepdim=True), query @ negatives.T], 1)
    return (logits.argmax(1) == 0).double().mean()


def pair_accuracy(a, b):
    other = torch.arange(2 * len(a)).roll(len(a))
    return (pair_logits(a, b, 1).argmax(1) == other).double().mean()


def reduction(name, function, tensor):
    return [(name, over(function), {"over": way}, {"x": tensor}) for way in ["all", "first", "last"]]


def elementwise(name, function, tensor="a"):
    return (name, function, {}, {"x": tensor})


# The name, its definition, its other arguments, and its tensor arguments with the array that each is
# given; no gradient flows through those that begin with an underscore.
CASES = [
    elementwise("exp", torch.exp),
    elementwise("exp", torch.exp, "cube"),
    elementwise("log", torch.log, "positive"),
    elementwise("sqrt", torch.sqrt, "positive"),
    elementwise("square", torch.square),
    elementwise("abs", torch.abs),
    elementwise("relu", torch.relu),
    elementwise("sigmoid", torch.sigmoid),
    elementwise("softplus", F.softplus),
    elementwise("softplus", F.softplus, "vector"),
    ("hinge", lambda x, margin: F.relu(margin - x), {"margin": 0.5}, {"x": "a"}),
    *reduction("sum", torch.sum, "cube"),
    *reduction("mean", torch.mean, "a"),
    *reduction("mean", torch.mean, "cube"),
    *reduction("max", torch.amax, "a"),
    *reduction("log_sum_exp", torch.logsumexp, "a"),
    *reduction("log_sum_exp", torch.logsumexp, "vector"),
    ("matmul", torch.matmul, {}, {"a": "tall", "b": "wide"}),
    ("matmul", torch.matmul, {}, {"a": "cube", "b": "cube_b"}),
    ("transpose", torch.t, {}, {"x": "a"}),
    ("matmul_rows", torch.matmul, {}, {"x": "cube", "by": "square"}),
    ("matmul_rows", torch.matmul, {}, {"x": "row", "by": "square"}),
    ("transpose", lambda x: x.mT, {}, {"x": "cube"}),
    ("log_det", lambda x, ridge: torch.logdet(x), {"ridge": 0.0}, {"x": "definite"}),
    ("log_det", lambda x, ridge: torch.logdet(x + ridge * torch.eye(3)), {"ridge": 0.7}, {"x": "definites"}),
    ("nuclear_norm", lambda x: torch.linalg.matrix_norm(x, "nuc"), {}, {"x": "tall"}),
    ("nuclear_norm", lambda x: torch.linalg.matrix_norm(x, "nuc"), {}, {"x": "a"}),
    ("similarity", lambda a, b: a @ b.T, {}, {"a": "a", "b": "m"}),
    ("dot", lambda a, b: (a * b).sum(-1), {}, {"a": "a", "b": "b"}),
    ("diagonal", torch.diagonal, {}, {"x": "square"}),
    ("off_diagonal", off_diagonal, {}, {"x": "square"}),
    ("concat", lambda a, b: torch.cat([a, b]), {}, {"a": "a", "b": "m"}),
    ("concat_columns", lambda a, b: torch.cat([a, b], 1), {}, {"a": "a", "b": "wide"}),
    ("stack", lambda a, b: torch.stack([a, b]), {}, {"a": "a", "b": "b"}),
    ("split", lambda x, parts, take: x.chunk(parts)[take], {"parts": 3, "take": 1}, {"x": "tall"}),
    ("chunk", lambda x, parts: torch.stack(x.chunk(parts)), {"parts": 3}, {"x": "tall"}),
    ("part_labels", lambda x, parts: torch.arange(len(x)).div(len(x) // parts, rounding_mode="floor").double(), {"parts": 3}, {"_x": "tall"}),
    ("quarter_turns", lambda x: torch.cat([x.rot90(turns, (2, 3)) for turns in range(4)]), {}, {"x": "images"}),
    ("pieces", pieces, {"grid": 2}, {"x": "images"}),
    ("pieces", pieces, {"grid": 3}, {"x": "images"}),
    ("windows", windows, {"grid": 2, "side": 3}, {"x": "images"}),
    ("windows", windows, {"grid": 3, "side": 2}, {"x": "images"}),
    ("patches", patches, {"side": 2}, {"x": "images"}),
    ("patches", patches, {"side": 3}, {"x": "images"}),
    ("arrange", arrange, {"count": 6}, {"x": "cube_c", "_order": "orders"}),
    ("last_rows", lambda x, count: x[-count:], {"count": 2}, {"x": "tall"}),
    ("but_last_rows", lambda x, count: x[:-count], {"count": 2}, {"x": "tall"}),
    ("following_rows", following_rows, {"count": 2}, {"x": "cube_d"}),
    ("swap", lambda x: x.transpose(0, 1), {}, {"x": "images"}),
    ("repeat", lambda x, times: torch.cat([x] * times), {"times": 3}, {"x": "a"}),
    ("group", lambda x, size: x.reshape(-1, size, 3), {"size": 2}, {"x": "tall"}),
    ("column", lambda x: x[..., None], {}, {"x": "a"}),
    ("flatten", lambda x: x.flatten(0, 1), {}, {"x": "cube"}),
    ("normalize", lambda x: F.normalize(x, dim=-1), {}, {"x": "a"}),
    ("normalize", lambda x: F.normalize(x, dim=-1), {}, {"x": "cube"}),
    ("layer_norm", lambda x, epsilon: F.layer_norm(x, x.shape[-1:], eps=epsilon), {"epsilon": 1e-6}, {"x": "a"}),
    ("layer_norm", lambda x, epsilon: F.layer_norm(x, x.shape[-1:], eps=epsilon), {"epsilon": 0.1}, {"x": "cube"}),
    ("center", center, {}, {"x": "a"}),
    ("standardize", standardize, {"epsilon": 1e-5}, {"x": "tall"}),
    ("variance", variance, {"unbiased": True}, {"x": "tall"}),
    ("variance", variance, {"unbiased": False}, {"x": "tall"}),
    ("cross_covariance", cross_covariance, {"unbiased": True}, {"a": "tall", "b": "tall_b"}),
    ("cross_covariance", cross_covariance, {"unbiased": False}, {"a": "tall", "b": "tall_b"}),
    ("covariance", lambda x: torch.cov(x.T), {}, {"x": "tall"}),
    ("whiten", whiten, {"groups": 1, "epsilon": 0.01}, {"x": "tall"}),
    ("whiten", whiten, {"groups": 2, "epsilon": 0.1}, {"x": "long"}),
    ("iter_norm", iter_norm, {"groups": 1, "iterations": 5, "epsilon": 1e-5}, {"x": "long"}),
    ("iter_norm", iter_norm, {"groups": 2, "iterations": 3, "epsilon": 0.1}, {"x": "b"}),
    ("softmax", lambda x, temperature: F.softmax(x / temperature, -1), {"temperature": 0.5}, {"x": "a"}),
    ("softmax", lambda x, temperature: F.softmax(x / temperature, -1), {"temperature": 2.0}, {"x": "cube"}),
    ("log_softmax", lambda x, temperature: F.log_softmax(x / temperature, -1), {"temperature": 0.3}, {"x": "a"}),
    ("sinkhorn", sinkhorn, {"epsilon": 0.5, "iterations": 3}, {"_x": "tall"}),
    ("sinkhorn", sinkhorn, {"epsilon": 0.05, "iterations": 5}, {"_x": "tall"}),
    # Whole rows are zero beside the largest number, in single precision.
    ("sinkhorn", sinkhorn, {"epsilon": 0.01, "iterations": 3}, {"_x": "tall"}),
    ("cross_entropy", F.cross_entropy, {}, {"logits": "a", "_labels": "labels"}),
    (
        "soft_cross_entropy",
        F.cross_entropy,
        {},
        {"logits": "a", "targets": "b"},
    ),
    ("one_hot", lambda labels, classes: F.one_hot(labels, classes).double(), {"classes": 4}, {"_labels": "labels"}),
    ("class_index", lambda labels, classes: labels.double(), {"classes": 4}, {"_labels": "labels"}),
    ("same_label", lambda a, b: (a[:, None] == b).double(), {}, {"_a": "labels", "_b": "more"}),
    ("same_example", lambda a, b: (a[:, None] == b).double(), {}, {"_a": "places", "_b": "more"}),
    ("accuracy", lambda x, y: (x.argmax(1) == y).double().mean(), {}, {"_logits": "a", "_labels": "labels"}),
    ("choose", lambda x, by: torch.stack([own[row] for own, row in zip(x, by.argmax(2))]), {}, {"x": "cube", "_by": "cube_b"}),
    ("take_rows", lambda x, order, count: torch.stack([own[row.argsort()[:count]] for own, row in zip(x, order)]), {"count": 2}, {"x": "cube_b", "_order": "ranks"}),
    ("put_rows", put_rows, {}, {"x": "cube", "_order": "ranks"}),
    ("left_out", lambda order, count: (order >= count).double(), {"count": 3}, {"_order": "ranks"}),
    ("scale_rows", lambda x, by: x * by[..., None], {}, {"x": "cube", "by": "flat"}),
    ("scale_examples", lambda x, by: x * by[:, None, None], {}, {"x": "cube_c", "by": "vector"}),
    ("gather", lambda x, rows: x[rows], {}, {"x": "m", "_rows": "places"}),
    ("nearest", lambda x, among: (x @ among.T).argmax(1).double(), {}, {"_x": "a", "_among": "m"}),
    ("neighbours", lambda x, among, count: (x @ among.T).topk(count).indices.flatten().double(), {"count": 3}, {"_x": "a", "_among": "m"}),
    ("pick", lambda x, rows: F.cross_entropy(x, rows), {}, {"logits": "square", "_rows": "columns"}),
    ("greater", lambda a, b: (a > b).double(), {}, {"_a": "a", "_b": "b"}),
    ("epps_pulley", epps_pulley, {"reach": 3.0, "knots": 17}, {"x": "tall"}),
    (
        "epps_pulley",
        lambda x, reach, knots: torch.stack([epps_pulley(own, reach, knots) for own in x]),
        {"reach": 2.0, "knots": 5},
        {"x": "cube"},
    ),
    ("epps_pulley", epps_pulley, {"reach": 1.5, "knots": 2}, {"x": "wide"}),
    ("cosine_distance", cosine_distance, {}, {"a": "a", "b": "b"}),
    ("smooth_l1", lambda a, b, beta: F.smooth_l1_loss(a, b, beta=beta, reduction="none"), {"beta": 0.7}, {"a": "a", "b": "b"}),
    ("mean_squared", F.mse_loss, {}, {"a": "a", "b": "b"}),
    (
        "negative_cosine",
        lambda p, z: -F.cosine_similarity(p, z).mean(),
        {},
        {"prediction": "a", "_target": "b"},
    ),
    ("narrowness", lambda x: F.relu(1 - torch.sqrt(x.var(0) + 1e-4)).mean(), {}, {"x": "small"}),
    ("redundancy", redundancy, {}, {"x": "tall"}),
    ("info_nce", info_nce, {"temperature": 0.07}, {"query": "a", "key": "b", "negatives": "m"}),
    ("info_nce", info_nce, {"temperature": 0.9}, {"query": "a", "key": "b", "negatives": "m"}),
    ("batch_info_nce", batch_info_nce, {"temperature": 0.4}, {"query": "a", "key": "b"}),
    ("nt_xent", nt_xent, {"temperature": 0.5}, {"a": "a", "b": "b"}),
    ("sup_con", sup_con, {"temperature": 0.7}, {"a": "a", "b": "b", "_labels": "labels"}),
    ("dcl", dcl, {"temperature": 0.3}, {"a": "a", "b": "b"}),
    ("hard_triplet", hard_triplet, {"margin": 0.7}, {"a": "a", "b": "b"}),
    ("semi_hard_triplet", semi_hard_triplet, {"margin": 0.7}, {"a": "close", "b": "close_b"}),
    ("dclw", dclw, {"temperature": 0.3, "sigma": 0.8}, {"a": "a", "b": "b"}),
    ("coding_rate", coding_rate, {"epsilon": 0.2}, {"x": "tall"}),
    ("coding_rate", coding_rate, {"epsilon": 0.5}, {"x": "cube"}),
    ("kl_gaussian", kl_gaussian, {}, {"mu": "a", "log_variance": "b"}),
    ("spread", spread, {}, {"_x": "a"}),
    ("contrast_accuracy", contrast_accuracy, {}, {"_query": "a", "_key": "a", "_negatives": "m"}),
    ("contrast_accuracy", contrast_accuracy, {}, {"_query": "a", "_key": "b", "_negatives": "m"}),
    ("pair_accuracy", pair_accuracy, {}, {"_a": "a", "_b": "b"}),
]


def numbers(tensor):
    return [round(value, 10) for value in tensor.detach().flatten().double().tolist()]


def case(name, function, arguments, tensors):
    leaves = {
        parameter: torch.tensor(WHOLE[given][0])
        if given in WHOLE
        else ARRAYS[given].clone().requires_grad_(parameter[0] != "_")
        for parameter, given in tensors.items()
    }
    value = function(*leaves.values(), **arguments)
    gradients = {}
    if value.requires_grad:
        # A tensor is made a number by the weights 0.1, 0.2, ….
        weights = torch.arange(1, value.numel() + 1) / 10
        total = value if value.dim() == 0 else (value.flatten() * weights).sum()
        total.backward()
        gradients = {n: numbers(leaf.grad) for n, leaf in leaves.items() if leaf.requires_grad}
    return {
        "name": name,
        "arguments": arguments,
        "tensors": list(tensors.values()),
        "shape": list(value.shape),
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
    arrays = {
        name: {"shape": list(own.shape), "values": numbers(own)} for name, own in ARRAYS.items()
    }
    golden = {
        "arrays": arrays,
        "whole": {name: {"values": own, "of": of} for name, (own, of) in WHOLE.items()},
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
