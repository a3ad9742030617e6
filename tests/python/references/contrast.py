"""Methods that tell a positive from the other images of the batch."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from .method import BATCH, Method, convnet, cosine, follow, mlp

EVERY = torch.arange(BATCH)


class SimClr(Method):
    """Chen et al. 2020, arXiv:2002.05709, eq. 1; each view is a batch of its own for the norms."""

    temperature, dim = 0.5, 8
    mistakes = ["a view among its own negatives", "one direction"]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, mlp(width, width, self.dim)]

    def build(self, *modules):
        self.network = nn.Sequential(*modules)
        return [self.network]

    def loss(self, step, a, b):
        z = F.normalize(torch.cat([self.network(a), self.network(b)]))
        logits = z @ z.T / self.temperature
        if self.mistake != "a view among its own negatives":
            logits = logits.masked_fill(torch.eye(len(z)).bool(), -torch.inf)
        other = torch.arange(len(z)).roll(BATCH)
        rows = slice(BATCH) if self.mistake == "one direction" else slice(None)
        return F.cross_entropy(logits[rows], other[rows])


class Dcl(SimClr):
    """Yeh et al. 2021, arXiv:2110.06848, eq. 6, the mean over both directions."""

    temperature, lr = 0.2, 0.01
    mistakes = ["the positive among the others", "negatives of the other view alone"]

    def weights(self, positive):
        return 1.0

    def loss(self, step, a, b):
        z = F.normalize(torch.cat([self.network(a), self.network(b)]))
        logits = z @ z.T / self.temperature
        positive = logits.diagonal(BATCH).repeat(2)
        left_out = torch.eye(BATCH).bool().repeat(2, 2)
        if self.mistake == "the positive among the others":
            left_out = torch.eye(2 * BATCH).bool()
        if self.mistake == "negatives of the other view alone":
            left_out |= torch.block_diag(*2 * [torch.ones(BATCH, BATCH)]).bool()
        others = logits.masked_fill(left_out, -torch.inf).logsumexp(1)
        return (others - self.weights(positive) * positive).mean()


class Dclw(Dcl):
    """Yeh et al. 2021, arXiv:2110.06848, section 3: von Mises-Fisher weights of the positives.

    The weights are constants, as in lightly.
    """

    sigma = 0.5
    mistakes = ["weights that learn", "the nearer the more"]

    def weights(self, positive):
        if self.mistake != "weights that learn":
            positive = positive.detach()
        near = torch.softmax(positive * self.temperature / self.sigma, 0) * len(positive)
        return near if self.mistake == "the nearer the more" else 2 - near


class NPair(SimClr):
    """Sohn 2016, NIPS, section 3.2, with the penalty of TensorFlow's npairs_loss."""

    penalty, lr = 0.02, 0.01
    mistakes = ["normalised", "no penalty"]

    def loss(self, step, a, b):
        anchor, positive = self.network(a), self.network(b)
        if self.mistake == "normalised":
            anchor, positive = F.normalize(anchor), F.normalize(positive)
        lengths = [own.square().sum(1).mean() for own in [anchor, positive]]
        penalty = 0.0 if self.mistake == "no penalty" else self.penalty
        return F.cross_entropy(anchor @ positive.T, EVERY) + penalty * sum(lengths) / 4


class Triplet(SimClr):
    """Schroff et al. 2015, arXiv:1503.03832, section 3.1 and 3.2: semi-hard negatives.

    Each of the views is an anchor, and all views of other images are its negatives; the mean over
    the anchors, where one without a farther negative counts zero.
    """

    margin, dim, lr = 0.2, 16, 0.01
    mistakes = ["the hardest of all", "distances without their square", "the positive's half"]

    def loss(self, step, a, b):
        z = F.normalize(torch.cat([self.network(a), self.network(b)]))
        distances = (z.unsqueeze(1) - z).square().sum(2)
        if self.mistake == "distances without their square":
            distances = (distances + 1e-12).sqrt()
        positive = distances.diagonal(BATCH).repeat(2).unsqueeze(1)
        same = torch.eye(BATCH).bool().repeat(2, 2)
        if self.mistake == "the positive's half":
            same |= torch.block_diag(*2 * [torch.ones(BATCH, BATCH)]).bool()
        farther = distances > positive
        if self.mistake == "the hardest of all":
            farther[:] = True
        asked = (farther & ~same).detach()
        hardest = distances.masked_fill(~asked, torch.inf).amin(1, keepdim=True)
        return F.relu(positive - hardest + self.margin).mean()


class MoCoV3(Method):
    """Chen et al. 2021, arXiv:2104.02057, algorithm 1, with the heads of the authors' code.

    The average moves behind the optimizer, as in algorithm 1.
    """

    temperature, hidden, dim, lr = 0.2, 16, 16, 0.01
    mistakes = ["without twice the temperature", "keys of the query's own view", "keys that learn"]

    def modules(self):
        encoder, width = convnet(4)
        plain = {"norm": True, "output_norm": "plain", "bias": False}
        projector = mlp(width, self.hidden, self.dim, layers=3, **plain)
        return [encoder, projector, mlp(self.dim, self.hidden, self.dim, **plain)]

    def build(self, encoder, projector, predictor):
        self.base = nn.Sequential(encoder, projector)
        self.predictor = predictor
        self.average = copy.deepcopy(self.base)
        return [self.base, self.predictor]

    def contrast(self, q, k):
        loss = F.cross_entropy(q @ k.T / self.temperature, EVERY)
        scale = 1 if self.mistake == "without twice the temperature" else 2 * self.temperature
        return loss * scale

    def loss(self, step, a, b):
        q = [F.normalize(self.predictor(self.base(view))) for view in [a, b]]
        learn = self.mistake == "keys that learn"
        with torch.set_grad_enabled(learn):
            keys = self.base if learn else self.average
            k = [F.normalize(keys(view)) for view in [a, b]]
        if self.mistake == "keys of the query's own view":
            k.reverse()
        return self.contrast(q[0], k[1]) + self.contrast(q[1], k[0])

    def after(self, step):
        follow(self.average, self.base, cosine(0.9, 1.0, step))
