"""Methods that are given classes, or make them of what was done to an image."""

import torch
import torch.nn.functional as F
from torch import nn
from torch.distributions import Normal, kl_divergence

from .contrast import SimClr
from .method import BATCH, LABELS, Method, convnet, draw


class Classify(Method):
    """The cross entropy of labels, by one linear layer behind the encoder."""

    classes = 10
    sizes = [8]
    mistakes = ["an encoder that stays", "labels of the next image"]

    def modules(self):
        encoder, width = convnet(4)
        return [encoder, nn.Linear(width, self.classes)]

    def build(self, encoder, classifier):
        self.encoder, self.classifier = encoder, classifier
        return [encoder, classifier]

    def labels(self):
        return LABELS.roll(-1) if self.mistake == "labels of the next image" else LABELS

    def loss(self, step, view):
        features = self.encoder(view)
        if self.mistake == "an encoder that stays":
            features = features.detach()
        return F.cross_entropy(self.classifier(features), self.labels())


class RotNet(Classify):
    """Gidaris et al. 2018, arXiv:1803.07728, eq. 2 and 3; all four turns are in one batch."""

    classes = 4
    mistakes = ["turned to the right", "each turn a batch of its own"]

    def loss(self, step, view):
        way = -1 if self.mistake == "turned to the right" else 1
        turned = [torch.rot90(view, way * quarter, (2, 3)) for quarter in range(4)]
        if self.mistake == "each turn a batch of its own":
            features = torch.cat([self.encoder(own) for own in turned])
        else:
            features = self.encoder(torch.cat(turned))
        quarters = torch.arange(4).repeat_interleave(BATCH)
        return F.cross_entropy(self.classifier(features), quarters)


class Vib(Classify):
    """Alemi et al. 2016, arXiv:1612.00410, eq. 17, with one drawing of each image.

    The log variance is learned, where the authors shift a softplus; the divergence is in nats.
    """

    beta, dim = 0.01, 8
    mistakes = ["deviations that are variances", "half the divergence", "the mean of dimensions"]

    def modules(self):
        encoder, width = convnet(4)
        location, scale = nn.Linear(width, self.dim), nn.Linear(width, self.dim)
        return [encoder, location, scale, nn.Linear(self.dim, self.classes)]

    def build(self, *modules):
        self.encoder, self.location, self.scale, self.classifier = modules
        return modules

    def loss(self, step, view):
        h = self.encoder(view)
        mean, log_variance = self.location(h), self.scale(h)
        deviation = torch.exp(log_variance / 2)
        own = Normal(mean, deviation)
        noise = draw(step, 0, BATCH, self.dim)
        by = deviation**2 if self.mistake == "deviations that are variances" else deviation
        told = F.cross_entropy(self.classifier(mean + by * noise), self.labels())
        apart = kl_divergence(own, Normal(torch.zeros(()), torch.ones(())))
        apart = apart.mean(1) if self.mistake == "the mean of dimensions" else apart.sum(1)
        half = 2 if self.mistake == "half the divergence" else 1
        return told + self.beta * apart.mean() / half


class SupCon(SimClr):
    """Khosla et al. 2020, arXiv:2004.11362, eq. 2, the mean over the anchors.

    The authors' code multiplies it by the temperature over a base one, which eq. 2 does not.
    """

    temperature = 0.2
    mistakes = ["the sum within the logarithm", "the other view alone", "positives of other images"]

    def loss(self, step, a, b):
        z = F.normalize(torch.cat([self.network(a), self.network(b)]))
        own = torch.eye(2 * BATCH).bool()
        logits = (z @ z.T / self.temperature).masked_fill(own, -torch.inf)
        log_shares = logits.log_softmax(1)
        labels = LABELS.repeat(2)
        positive = (labels.unsqueeze(1) == labels) & ~own
        images = torch.arange(BATCH).repeat(2)
        same = images.unsqueeze(1) == images
        if self.mistake == "the other view alone":
            positive &= same
        if self.mistake == "positives of other images":
            positive &= ~same
        number = positive.sum(1)
        if self.mistake == "the sum within the logarithm":
            whole = log_shares.masked_fill(~positive, -torch.inf).logsumexp(1)
            return -(whole - number.log()).mean()
        return -(log_shares.masked_fill(~positive, 0.0).sum(1) / number).mean()
