"""Answers of a blind trial to the exercises of notebook 03, in the styles of many readers."""
# ruff: noqa: B023, B904, B905, B006, C408, C416, E401, E402, E501, E701, E702, E731, E741, F401, F811, F841, SIM, UP, B
# fmt: off

import copy
import functools
import math

import numpy as np
import torch
from fresh import recorder
from torch import nn
from torch.nn import functional as F

ANSWERS, right, wrong = recorder()




@wrong('3.1', 'true division', 'a float comes back')
def _():
    def output_size(size, kernel, stride=1, padding=0, transposed=False):
        if transposed:
            return (size - 1) * stride - 2 * padding + kernel
        return (size + 2 * padding - kernel) / stride + 1
    return output_size


@wrong('3.1', '+1 inside the division', '(n+2p-k+1)//s', told='inside the division')
def _():
    def output_size(size, kernel, stride=1, padding=0, transposed=False):
        if transposed: return (size - 1) * stride + kernel - 2 * padding
        return (size + 2 * padding - kernel + 1) // stride
    return output_size


@wrong('3.1', 'transposed ignored after early return', 'condition the wrong way round')
def _():
    def output_size(size, kernel, stride=1, padding=0, transposed=False):
        if not transposed: return (size - 1) * stride - 2 * padding + kernel
        return (size + 2 * padding - kernel) // stride + 1
    return output_size


@wrong('3.3', 'BatchNorm in the first layer', 'all layers alike')
def _():
    class Discriminator(nn.Module):
        def __init__(self, width=64):
            super().__init__()
            w = width
            self.net = nn.Sequential(
                nn.Conv2d(3, w, 4, 2, 1, bias=False), nn.BatchNorm2d(w), nn.LeakyReLU(0.2, inplace=True),
                nn.Conv2d(w, 2*w, 4, 2, 1, bias=False), nn.BatchNorm2d(2*w), nn.LeakyReLU(0.2, inplace=True),
                nn.Conv2d(2*w, 4*w, 4, 2, 1, bias=False), nn.BatchNorm2d(4*w), nn.LeakyReLU(0.2, inplace=True),
                nn.Conv2d(4*w, 1, 4, 1, 0, bias=False))
        def forward(self, images): return self.net(images).flatten()
    return Discriminator


@wrong('3.3', 'LeakyReLU(True)', 'True is taken for the slope, which is 1', told='changes nothing')
def _():
    class Discriminator(nn.Module):
        def __init__(self, width=64):
            super().__init__()
            w = width
            self.net = nn.Sequential(
                nn.Conv2d(3, w, 4, 2, 1, bias=False), nn.LeakyReLU(True),
                nn.Conv2d(w, 2*w, 4, 2, 1, bias=False), nn.BatchNorm2d(2*w), nn.LeakyReLU(True),
                nn.Conv2d(2*w, 4*w, 4, 2, 1, bias=False), nn.BatchNorm2d(4*w), nn.LeakyReLU(True),
                nn.Conv2d(4*w, 1, 4, 1, 0, bias=False))
        def forward(self, images): return self.net(images).flatten()
    return Discriminator


@wrong('3.3', 'squeeze()', 'one image gives ()')
def _():
    class Discriminator(nn.Module):
        def __init__(self, width=64):
            super().__init__()
            w = width
            self.net = nn.Sequential(
                nn.Conv2d(3, w, 4, 2, 1, bias=False), nn.LeakyReLU(0.2),
                nn.Conv2d(w, 2*w, 4, 2, 1, bias=False), nn.BatchNorm2d(2*w), nn.LeakyReLU(0.2),
                nn.Conv2d(2*w, 4*w, 4, 2, 1, bias=False), nn.BatchNorm2d(4*w), nn.LeakyReLU(0.2),
                nn.Conv2d(4*w, 1, 4, 1, 0, bias=False))
        def forward(self, images): return self.net(images).squeeze()
    return Discriminator


@right('3.3', 'add_module in a loop, (N, 1)', 'Flatten at the end')
def _():
    class Discriminator(nn.Module):
        def __init__(self, width=64):
            super().__init__()
            self.body, c = nn.Sequential(), 3
            for i in range(3):
                o = width << i
                self.body.add_module(f"conv{i}", nn.Conv2d(c, o, kernel_size=4, stride=2, padding=1, bias=not i))
                if i: self.body.add_module(f"norm{i}", nn.BatchNorm2d(o))
                self.body.add_module(f"act{i}", nn.LeakyReLU(negative_slope=0.2))
                c = o
            self.head = nn.Conv2d(c, 1, 4)
        def forward(self, images):
            return self.head(self.body(images)).reshape(len(images), 1)
    return Discriminator


@wrong('3.4', "find('Conv') as a truth value", '-1 is true: everything with a weight gets N(0, .02)', told='have no bias')
def _():
    def dcgan_init(network):
        def weights_init(m):
            name = m.__class__.__name__
            if not hasattr(m, "weight") or m.weight is None: return
            if name.find('Conv'):
                nn.init.normal_(m.weight.data, 0.0, 0.02)
            elif name.find('BatchNorm'):
                nn.init.normal_(m.weight.data, 1.0, 0.02); nn.init.constant_(m.bias.data, 0)
        network.apply(weights_init)
        return network
    return dcgan_init


@wrong('3.4', 'Conv2d only', 'transposed ones missed')
def _():
    def dcgan_init(network):
        for m in network.modules():
            if type(m) is nn.Conv2d: nn.init.normal_(m.weight, 0, 0.02)
            if type(m) is nn.BatchNorm2d: nn.init.normal_(m.weight, 1, 0.02); nn.init.zeros_(m.bias)
        return network
    return dcgan_init


@right('3.4', 'apply, class names, truncated normal at absolute 2', 'nn.init.trunc_normal_ cuts at 100 sigma')
def _():
    def dcgan_init(network):
        def visit(m):
            kind = type(m).__name__
            if "Conv" in kind:
                nn.init.trunc_normal_(m.weight, std=0.02)
                if m.bias is not None: m.bias.data.zero_()
            elif kind.startswith("BatchNorm"):
                with torch.no_grad():
                    m.weight.copy_(torch.normal(1.0, 0.02, m.weight.shape)); m.bias.fill_(0)
        return network.apply(visit)
    return dcgan_init


@wrong('3.5', "D tried on G's images", 'a wrong G blames D')
def _():
    def verify_shapes(G, D, size, channels=3, latent_dim=100):
        found, modes = [], (G.training, D.training)
        G.eval(); D.eval()
        with torch.no_grad():
            try:
                fake = G(torch.randn(4, latent_dim))
                if fake.shape != (4, channels, size, size): found.append(f"G: {tuple(fake.shape)}")
            except Exception as error:
                found.append(f"G: {error}"); fake = torch.randn(4, channels, size, size)
            try:
                out = D(fake)
                if out.shape not in ((4,), (4, 1)): found.append(f"D: {tuple(out.shape)}")
            except Exception as error: found.append(f"D: {error}")
        G.train(modes[0]); D.train(modes[1])
        return found
    return verify_shapes


@wrong('3.5', 'first exception ends it', "one try around both: D's fault is hidden behind G's")
def _():
    def verify_shapes(G, D, size, channels=3, latent_dim=100):
        modes = G.training, D.training
        found = []
        try:
            G.eval(); D.eval()
            if tuple(G(torch.randn(3, latent_dim)).shape) != (3, channels, size, size): found.append("G: wrong shape")
            if tuple(D(torch.randn(3, channels, size, size)).shape) not in ((3,), (3, 1)): found.append("D: wrong shape")
        except Exception as e: found.append(f"G or D: {e}")
        finally: G.train(modes[0]); D.train(modes[1])
        return found
    return verify_shapes


@right('3.5', 'deep copies in eval mode', 'the originals are not touched at all')
def _():
    def verify_shapes(G, D, size, channels=3, latent_dim=100):
        n = 2
        plan = {"G": (G, (n, latent_dim), {(n, channels, size, size)}), "D": (D, (n, channels, size, size), {(n,), (n, 1)})}
        @torch.no_grad()
        def finding(name):
            net, shape, fine = plan[name]
            try: out = copy.deepcopy(net).eval()(torch.zeros(shape))
            except Exception as error: return f"{name} stops: {error!r}"
            return None if tuple(out.shape) in fine else f"{name} returns {tuple(out.shape)}"
        return [text for text in map(finding, plan) if text]
    return verify_shapes


@wrong('3.1', 'transposed loses the padding', 'k left, 2p forgotten', told='The padding is missing')
def _():
    def output_size(size, kernel, stride=1, padding=0, transposed=False):
        if transposed: return (size - 1) * stride + kernel
        return (size + 2 * padding - kernel) // stride + 1
    return output_size


@wrong('3.1', 'size times stride minus 1', 'precedence: size - 1 * stride', told='Size times stride is missing')
def _():
    def output_size(size, kernel, stride=1, padding=0, transposed=False):
        if transposed: return size - 1 * stride - 2 * padding + kernel
        return (size + 2 * padding - kernel) // stride + 1
    return output_size


@wrong('3.1', 'precedence: 2p - k over s', 'size + (2p-k)//s + 1', told='not divided')
def _():
    def output_size(size, kernel, stride=1, padding=0, transposed=False):
        if transposed: return (size - 1) * stride - 2 * padding + kernel
        return size + (2 * padding - kernel) // stride + 1
    return output_size


@wrong('3.4', 'uniform', '+-0.02')
def _():
    def dcgan_init(network):
        for m in network.modules():
            if isinstance(m, (nn.Conv2d, nn.ConvTranspose2d)): nn.init.uniform_(m.weight, -0.02, 0.02)
            if isinstance(m, nn.BatchNorm2d): nn.init.normal_(m.weight, 1.0, 0.02); nn.init.zeros_(m.bias)
        return network
    return dcgan_init
