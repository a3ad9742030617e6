"""Methods that keep the dimensions of a batch apart."""

import copy

import torch
import torch.nn.functional as F
from torch import nn

from .method import BATCH, Method, convnet, cosine, follow, mlp


def others(matrix):
    """What is not on the diagonal."""
    return matrix[~torch.eye(len(matrix)).bool()]


class BarlowTwins(Method):
    """Zbontar et al. 2021, arXiv:2103.03230, eq. 1 and 2, and section 2.2 for the projector."""

    weight, scale, dim = 0.02, 0.1, 16
    mistakes = ["one less than the batch", "the diagonal among the others"]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, mlp(width, self.dim, self.dim, layers=3, norm=True, bias=False)]

    def build(self, *modules):
        self.network = nn.Sequential(*modules)
        self.norm = nn.BatchNorm1d(self.dim, affine=False)
        return [self.network]

    def loss(self, step, a, b):
        za, zb = self.norm(self.network(a)), self.norm(self.network(b))
        c = za.T @ zb / (BATCH - (self.mistake == "one less than the batch"))
        invariance = (c.diagonal() - 1).pow(2).sum()
        rest = c.flatten() if self.mistake == "the diagonal among the others" else others(c)
        return self.scale * (invariance + self.weight * rest.pow(2).sum())


class VicReg(Method):
    """Bardes et al. 2021, arXiv:2105.04906, eq. 1 to 6.

    As in the authors' code, the variance terms of the views are halved, and their covariance terms
    are not; the layers before norms have no bias here.
    """

    weights, dim = (1.0, 1.0, 0.1), 16
    mistakes = ["biased variances", "covariances by all their number", "variances not halved"]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, mlp(width, self.dim, self.dim, layers=3, norm=True, bias=False)]

    def build(self, *modules):
        self.network = nn.Sequential(*modules)
        return [self.network]

    def variance(self, z):
        deviations = (z.var(0, correction=self.mistake != "biased variances") + 1e-4).sqrt()
        return F.relu(1 - deviations).mean() / (1 if self.mistake == "variances not halved" else 2)

    def covariance(self, z):
        rest = others(torch.cov(z.T)).pow(2)
        by_all = self.mistake == "covariances by all their number"
        return rest.mean() if by_all else rest.sum() / self.dim

    def loss(self, step, a, b):
        z = [self.network(a), self.network(b)]
        terms = [F.mse_loss(*z), sum(map(self.variance, z)), sum(map(self.covariance, z))]
        return sum(weight * term for weight, term in zip(self.weights, terms, strict=True))


class VibcReg(VicReg):
    """Lee and Aune 2021, arXiv:2109.00783, section 3, and IterNorm, arXiv:1904.03441, algorithm 1.

    The variance terms are added, as in the authors' code. Their IterNorm has a learned scale and
    shift beside, which is not here.
    """

    weights, groups, iterations = (1.0, 1.0, 10.0), 4, 5
    mistakes = ["variances halved", "covariances in the place of correlations", "one iteration"]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, mlp(width, self.dim, self.dim, layers=3, norm=True)]

    def whiten(self, z):
        x = (z - z.mean(0)).T.reshape(self.groups, -1, BATCH)
        identity = torch.eye(x.shape[1])
        sigma = x @ x.mT / BATCH + 1e-5 * identity
        trace = sigma.diagonal(dim1=1, dim2=2).sum(1).reshape(-1, 1, 1)
        p = identity
        for _ in range(1 if self.mistake == "one iteration" else self.iterations):
            p = (3 * p - p @ p @ p @ (sigma / trace)) / 2
        return (p / trace.sqrt() @ x).reshape(-1, BATCH).T

    def variance(self, z):
        return super().variance(z) * (1 if self.mistake == "variances halved" else 2)

    def covariance(self, z):
        if self.mistake == "covariances in the place of correlations":
            return super().covariance(z)
        return torch.corrcoef(z.T).fill_diagonal_(0).pow(2).mean()

    def loss(self, step, a, b):
        z = [self.whiten(self.network(a)), self.whiten(self.network(b))]
        terms = [F.mse_loss(*z), sum(map(self.variance, z)), sum(map(self.covariance, z))]
        return sum(weight * term for weight, term in zip(self.weights, terms, strict=True))


class WMse(Method):
    """Ermolov et al. 2020, arXiv:2007.06346, eq. 3 and section 3.1, by Cholesky factors.

    The groups of the batch follow each other; the authors deal them anew.
    """

    groups, hidden, dim, lr = 2, 32, 4, 0.01
    mistakes = ["the whole batch at once", "the symmetric root", "whitened and not normalised"]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, mlp(width, self.hidden, self.dim, norm=True)]

    def build(self, *modules):
        self.network = nn.Sequential(*modules)
        return [self.network]

    def whiten(self, z):
        covariance = torch.cov(z.T)
        if self.mistake == "the symmetric root":
            values, vectors = torch.linalg.eigh(covariance)
            root = vectors * values.rsqrt() @ vectors.T
        else:
            root = torch.linalg.inv(torch.linalg.cholesky(covariance))
        return (z - z.mean(0)) @ root.T

    def loss(self, step, a, b):
        groups = 1 if self.mistake == "the whole batch at once" else self.groups
        each = [self.network(view).chunk(groups) for view in [a, b]]
        za, zb = [torch.cat([self.whiten(group) for group in own]) for own in each]
        if self.mistake == "whitened and not normalised":
            return (za - zb).pow(2).sum(1).mean()
        return (F.normalize(za) - F.normalize(zb)).pow(2).sum(1).mean()


class TiCo(Method):
    """Zhu et al. 2022, arXiv:2206.10698, algorithm 1, centred over the batch."""

    momentum, memory, weight, hidden, dim = 0.9, 0.9, 8.0, 32, 8
    mistakes = [
        "no gradient through the newest share",
        "the covariance of earlier steps",
        "not centred",
    ]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, mlp(width, self.hidden, self.dim, norm=True)]

    def build(self, *modules):
        self.network = nn.Sequential(*modules)
        self.target = copy.deepcopy(self.network)
        self.seen = torch.zeros(self.dim, self.dim)
        return [self.network]

    def unit(self, x):
        return F.normalize(x if self.mistake == "not centred" else x - x.mean(0))

    def loss(self, step, a, b):
        za = self.unit(self.network(a))
        with torch.no_grad():
            zb = self.unit(self.target(b))
        own = za.T @ za / BATCH
        if self.mistake == "no gradient through the newest share":
            own = own.detach()
        seen = self.memory * self.seen + (1 - self.memory) * own
        spreads = self.seen if self.mistake == "the covariance of earlier steps" else seen
        self.seen = seen.detach()
        near = (za * zb).sum(1).mean()
        return 1 - near + self.weight * (za @ spreads * za).sum(1).mean()

    def after(self, step):
        follow(self.target, self.network, cosine(self.momentum, 1.0, step))


class Mmcr(Method):
    """Yerxa et al. 2023, arXiv:2303.03307, without the term of each image's own views.

    All views are one batch for the norms.
    """

    hidden, dim = 32, 8
    mistakes = ["views of any length", "means of length one", "the Frobenius norm"]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, mlp(width, self.hidden, self.dim, layers=3, norm=True)]

    def build(self, *modules):
        self.network = nn.Sequential(*modules)
        return [self.network]

    def loss(self, step, *views):
        z = self.network(torch.cat(views))
        if self.mistake != "views of any length":
            z = F.normalize(z)
        centroids = z.reshape(len(views), BATCH, self.dim).mean(0)
        if self.mistake == "means of length one":
            centroids = F.normalize(centroids)
        order = "fro" if self.mistake == "the Frobenius norm" else "nuc"
        return -torch.linalg.matrix_norm(centroids, order)


class EmpSsl(Mmcr):
    """Tong et al. 2023, arXiv:2304.03977, eq. 4; all crops are one batch for the norms.

    One less the cosine stands for its negative.
    """

    sizes = [8, 8, 8, 8]
    weight, epsilon, lr = 20.0, 0.2, 0.01
    mistakes = ["the rate of all crops at once", "the squared error of the rate", "a mean as it is"]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, mlp(width, self.hidden, self.dim, norm=True, layers=3)]

    def rate(self, z):
        epsilon = self.epsilon ** (2 if self.mistake == "the squared error of the rate" else 1)
        return torch.logdet(torch.eye(self.dim) + self.dim / (len(z) * epsilon) * z.T @ z) / 2

    def loss(self, step, *crops):
        z = F.normalize(self.network(torch.cat(crops)))
        each = z.reshape(len(crops), BATCH, self.dim)
        if self.mistake == "a mean as it is":
            near = (each * each.mean(0)).sum(2)
        else:
            near = F.cosine_similarity(each, each.mean(0).unsqueeze(0), dim=2)
        at_once = self.mistake == "the rate of all crops at once"
        rate = self.rate(z) if at_once else sum(map(self.rate, each)) / len(crops)
        return self.weight * (1 - near.mean()) - rate
