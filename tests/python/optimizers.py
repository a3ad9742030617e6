"""What optimizers do in the tests of `src/train/optimizer/tests.rs`, in double precision.

Plain, Adam's and decoupled steps are those of `torch.optim`, clipping that of `torch.nn.utils`;
LARS and LAMB are written out from their papers. Prints each row of numbers; given the tests, it
fails where one is not in there.

usage: optimizers.py [src/train/optimizer/tests.rs]
"""

import sys

import torch

RATES = (0.1, 0.1, 0.05, 0.02)


class Lars(torch.optim.Optimizer):
    """You et al. 2017, arXiv:1708.03888, with the rate outside of the momentum."""

    def __init__(self, params, lr, momentum, weight_decay, trust, is_spared=False, is_bounded=False):
        super().__init__(params, {"lr": lr})
        self.momentum, self.trust, self.is_bounded = momentum, trust, is_bounded
        self.weight_decay, self.is_spared = weight_decay, is_spared

    @torch.no_grad()
    def step(self):
        for p in self.param_groups[0]["params"]:
            direction, factor = p.grad, 1.0
            if not self.is_spared:
                direction = direction + self.weight_decay * p
                of_p, of_direction = p.norm().item(), direction.norm().item()
                if of_p > 0 and of_direction > 0:
                    factor = self.trust * of_p / of_direction
                    if self.is_bounded:
                        factor = min(factor / self.param_groups[0]["lr"], 1.0)
            before = self.state[p].get("mu", torch.zeros_like(p))
            mu = self.state[p]["mu"] = self.momentum * before + factor * direction
            p -= self.param_groups[0]["lr"] * mu


class Lamb(torch.optim.Optimizer):
    """You et al. 2019, arXiv:1904.00962, algorithm 2, with the identity for its phi."""

    def __init__(self, params, lr, betas, eps, weight_decay, is_spared=False):
        super().__init__(params, {"lr": lr})
        self.betas, self.eps = betas, eps
        self.weight_decay, self.is_spared = weight_decay, is_spared

    @torch.no_grad()
    def step(self):
        beta1, beta2 = self.betas
        for p in self.param_groups[0]["params"]:
            t, m, v = self.state[p].get("all", (0, torch.zeros_like(p), torch.zeros_like(p)))
            t += 1
            m = beta1 * m + (1 - beta1) * p.grad
            v = beta2 * v + (1 - beta2) * p.grad**2
            self.state[p]["all"] = (t, m, v)
            update = m / (1 - beta1**t) / ((v / (1 - beta2**t)).sqrt() + self.eps)
            ratio = 1.0
            if not self.is_spared:
                update = update + self.weight_decay * p
                of_p, of_update = p.norm().item(), update.norm().item()
                if of_p > 0 and of_update > 0:
                    ratio = of_p / of_update
            p -= self.param_groups[0]["lr"] * ratio * update


def trajectory(make, clip=None, has_head=False, start=(1.0, -2.0, 3.0), decays=None):
    """The parameters after the third and the fourth step."""
    double = {"dtype": torch.float64}
    p = torch.tensor(start, requires_grad=True, **double)
    w = torch.tensor([[1.0, -1.0], [2.0, 0.5]], requires_grad=True, **double)
    s = torch.tensor([0.5, 1.0, -0.25], **double)
    params = [p, w] if has_head else [p]
    optimizer = make(params)
    steps = []
    for number, rate in enumerate(RATES):
        optimizer.param_groups[0]["lr"] = rate
        if decays is not None:
            optimizer.param_groups[0]["weight_decay"] = decays[number]
        optimizer.zero_grad()
        loss = (s * p * p + p).sum()
        if has_head:
            loss = loss + 1.5 * (w * w).sum()
        loss.backward()
        if clip is not None:
            torch.nn.utils.clip_grad_norm_(params, clip)
        optimizer.step()
        steps.append([value for param in params for value in param.detach().flatten().tolist()])
    return steps[2:]


def cases():
    optim = torch.optim
    decay = {"lr": 1.0, "weight_decay": 0.01}
    adam = {"betas": (0.9, 0.999), "eps": 1e-8, **decay}
    lamb = {**adam, "eps": 1e-6}

    def sgd(params):
        return optim.SGD(params, momentum=0.9, **decay)

    def lars(momentum=0.9, **more):
        return lambda params: Lars(params, momentum=momentum, trust=0.1, **decay, **more)

    yield "sgd, plain", trajectory(lambda params: optim.SGD(params, lr=1.0))
    yield "sgd", trajectory(sgd)
    yield "sgd, nesterov", trajectory(lambda p: optim.SGD(p, momentum=0.9, nesterov=True, **decay))
    yield "adam", trajectory(lambda params: optim.Adam(params, **adam))
    adamw = {**adam, "betas": (0.8, 0.95), "weight_decay": 0.1}
    yield "adamw", trajectory(lambda params: optim.AdamW(params, **adamw))
    decays = (0.1, 0.2, 0.3, 0.4)
    yield "adamw, decay", trajectory(lambda p: optim.AdamW(p, **adamw), decays=decays)
    yield "lars", trajectory(lars())
    yield "lars, no momentum", trajectory(lars(momentum=0.0))
    yield "lars, bounded", trajectory(lars(is_bounded=True))
    yield "lars, spared", trajectory(lars(is_spared=True))
    yield "lars, from zero", trajectory(lars(), start=(0.0, 0.0, 0.0))
    yield "lamb", trajectory(lambda params: Lamb(params, **lamb))
    yield "lamb, spared", trajectory(lambda params: Lamb(params, is_spared=True, **lamb))
    yield "lamb, from zero", trajectory(lambda params: Lamb(params, **lamb), start=(0.0, 0.0, 0.0))
    yield "sgd, clipped", trajectory(sgd, clip=0.5)
    yield "sgd, clipped with a head", trajectory(sgd, clip=0.5, has_head=True)
    adamw = {**adam, "weight_decay": 0.1}
    yield (
        "adamw, clipped with a head",
        trajectory(lambda params: optim.AdamW(params, **adamw), clip=4.0, has_head=True),
    )
    yield "lars, clipped with a head", trajectory(lars(), clip=0.05, has_head=True)
    yield (
        "lamb, clipped with a head",
        trajectory(lambda params: Lamb(params, **lamb), clip=4.0, has_head=True),
    )


def main():
    tests = None
    if len(sys.argv) > 1:
        with open(sys.argv[1], encoding="utf-8") as file:
            tests = "".join(file.read().split())
    absent = 0
    for name, rows in cases():
        for row in rows:
            text = ", ".join(f"{value:.7f}".rstrip("0") for value in row)
            is_there = tests is None or f"[{text}]".replace(" ", "") in tests.replace(",]", "]")
            absent += not is_there
            print(f"{name}: [{text}]" + ("" if is_there else " is not among the tests"))
    assert absent == 0, f"{absent} rows differ"


if __name__ == "__main__":
    main()
