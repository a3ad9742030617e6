"""Methods that hide patches of images from a transformer."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from .method import Method, draw_order, follow
from .transformer import VisionTransformer, transformer

PATCH, SIZE, WIDTH = 2, 8, 192


class Blank(nn.Module):
    """A learned token in the place of each patch that is hidden."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(WIDTH, 1))

    def forward(self, patches, hidden):
        return torch.where(hidden.unsqueeze(2), self.weight.squeeze(1), patches)


def pixels(view):
    """Those of each patch, as its embedding has them: `[n, patches, 3 * side * side]`."""
    return F.unfold(view, PATCH, stride=PATCH).mT


def normalized(tokens):
    return F.layer_norm(tokens, [WIDTH], eps=1e-6)


class Masked(Method):
    """What methods share that hide all but `seen` patches of each image, one by one.

    The encoder's tokens are behind a norm without a scale and a shift, which the linear layer behind
    it has.
    """

    sizes = [SIZE]
    depth, lr = 1, 0.005

    def build(self, *modules):
        self.encoder, self.blank, self.tell = modules
        return modules

    def order(self, step, view):
        """For each image, at which place each patch comes: the first are seen."""
        return draw_order(step, 0, len(view), (SIZE // PATCH) ** 2)

    def mean(self, error, hidden):
        """Over the patches that are hidden."""
        return error.mean() if self.mistake == "all patches" else error[hidden].mean()


class Mae(Masked):
    """He et al. 2021, arXiv:2111.06377, section 3, with pixels normalised by patch.

    With the biased variance of a patch, where the authors' code has the other. The decoder is given
    the places of the encoder, which learns them, and no class token; so the token in the place of
    what is hidden is as wide as the encoder.
    """

    seen = 4
    mistakes = [
        "unbiased variances",
        "pixels as they are",
        "all patches",
        "a decoder without places",
        "patches in the order drawn",
        "tokens as they are",
    ]

    def modules(self):
        encoder = VisionTransformer(PATCH, SIZE, self.depth, pool="mean")
        decoder = transformer(WIDTH, 3 * PATCH**2, heads=1, depth=1)
        return [encoder, Blank(), decoder]

    def target(self, view):
        target = pixels(view)
        if self.mistake == "pixels as they are":
            return target
        by = target.var(2, keepdim=True, correction=self.mistake == "unbiased variances")
        return (target - target.mean(2, keepdim=True)) / (by + 1e-6).sqrt()

    def loss(self, step, view):
        order, places = self.order(step, view), self.encoder.places(view)
        placed = self.encoder.embed(view) + places
        shuffled = order.argsort(1)
        kept = shuffled[:, : self.seen].unsqueeze(2).expand(-1, -1, WIDTH)
        told = self.encoder.tokens(placed.gather(1, kept))[:, 1:]
        if self.mistake != "tokens as they are":
            told = normalized(told)
        told = torch.cat([told, torch.zeros_like(placed[:, self.seen :])], 1)
        if self.mistake != "patches in the order drawn":
            told = told.gather(1, order.unsqueeze(2).expand(-1, -1, WIDTH))
        hidden = order >= self.seen
        told = self.blank(told, hidden)
        told = self.tell(told if self.mistake == "a decoder without places" else told + places)
        return self.mean((told - self.target(view)).square(), hidden)


class SimMim(Masked):
    """Xie et al. 2021, arXiv:2111.09886, section 3. Patches are hidden one by one."""

    seen = 6
    mistakes = [
        "all patches",
        "the squared error",
        "tokens without places",
        "nothing hidden",
        "tokens as they are",
    ]

    def modules(self):
        encoder = VisionTransformer(PATCH, SIZE, self.depth, pool="mean")
        return [encoder, Blank(), nn.Linear(WIDTH, 3 * PATCH**2)]

    def shown(self, view, hidden):
        """All patches, some hidden, with their places."""
        embedded, places = self.encoder.embed(view), self.encoder.places(view)
        if self.mistake == "nothing hidden":
            return embedded + places
        if self.mistake == "tokens without places":
            return self.blank(embedded + places, hidden)
        return self.blank(embedded, hidden) + places

    def told(self, view, hidden):
        tokens = self.encoder.tokens(self.shown(view, hidden))[:, 1:]
        return self.tell(tokens if self.mistake == "tokens as they are" else normalized(tokens))

    def loss(self, step, view):
        hidden = self.order(step, view) >= self.seen
        told = self.told(view, hidden)
        apart = told - pixels(view)
        squared = self.mistake == "the squared error"
        return self.mean(apart.square() if squared else apart.abs(), hidden)


class Data2Vec(SimMim):
    """Baevski et al. 2022, arXiv:2202.03555, section 3 and eq. 2.

    As in the authors' code for images, the outputs of the last blocks are normalised, each and
    their mean. A fixed number of patches is hidden.
    """

    depth, top, beta, momentum, lr = 3, 2, 2.0, 0.9, 0.01
    mistakes = [
        "all patches",
        "the last block alone",
        "blocks as they are",
        "a mean as it is",
        "beta of one",
        "a teacher that sees the same",
        "a teacher that stays",
        "tokens as they are",
    ]

    def modules(self):
        encoder = VisionTransformer(PATCH, SIZE, self.depth, pool="mean")
        return [encoder, Blank(), nn.Linear(WIDTH, WIDTH)]

    def build(self, *modules):
        self.teacher = copy.deepcopy(modules[0])
        return super().build(*modules)

    @torch.no_grad()
    def target(self, view, hidden):
        embedded = self.teacher.embed(view)
        if self.mistake == "a teacher that sees the same":
            embedded = self.blank(embedded, hidden)
        blocks = self.teacher.each_block(embedded + self.teacher.places(view))
        top = blocks[-1:] if self.mistake == "the last block alone" else blocks[-self.top :]
        if self.mistake != "blocks as they are":
            top = [normalized(block) for block in top]
        mean = sum(top) / len(top)
        if self.mistake != "a mean as it is":
            mean = normalized(mean)
        return mean[:, 1:]

    def loss(self, step, view):
        hidden = self.order(step, view) >= self.seen
        told = self.told(view, hidden)
        beta = 1.0 if self.mistake == "beta of one" else self.beta
        target = self.target(view, hidden)
        return self.mean(F.smooth_l1_loss(told, target, beta=beta, reduction="none"), hidden)

    def after(self, step):
        if self.mistake != "a teacher that stays":
            follow(self.teacher, self.encoder, self.momentum)
