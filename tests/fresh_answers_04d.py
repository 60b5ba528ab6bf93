"""Answers of a third blind trial to the exercises of notebook 04: right ones in many styles, wrong ones."""
# ruff: noqa: B023, B904, B905, B006, C408, C416, E401, E402, E501, E701, E702, E731, E741, F401, F811, F841, B007, E703, RET503, RET504, SIM300
# fmt: off

import copy
import functools
import itertools
import math

import numpy as np
import torch
from fresh import recorder
from torch import nn
from torch.nn import functional as F

ANSWERS, right, wrong = recorder()



@wrong('4.1', 'share covered', 'modes as a share')
def _():
    def modes_and_quality(points,centers,sigma):
        d,i=torch.cdist(points,centers).min(1); good=d<=3*sigma; c=torch.bincount(i[good],minlength=len(centers)); return (c>=.2*len(points)/len(centers)).float().mean().item(),good.float().mean().item()
    return modes_and_quality


@right('4.1', 'one-hot', 'one-hot masks')
def _():
    def modes_and_quality(points,centers,sigma):
        d=(points[:,None]-centers).norm(dim=-1); near=F.one_hot(d.argmin(1),len(centers)).bool()&(d<=3*sigma)
        return (near.sum(0)*len(centers)>=.2*len(points)).sum(),near.any(1).double().mean()
    return modes_and_quality


@right('4.2', 'conv T and loop', 'linear per kernel loop')
def _():
    class MinibatchDiscrimination(nn.Module):
        def __init__(self,in_features,kernels=8,dim=4):
            super().__init__(); self.heads=nn.ModuleList(nn.Linear(in_features,dim,bias=False) for _ in range(kernels))
        def forward(self,f):
            return torch.hstack([f]+[torch.exp(-torch.cdist(m:=h(f),m,p=1)).sum(1,keepdim=True)-1 for h in self.heads])
    return MinibatchDiscrimination


@wrong('4.3', 'mean of norms', 'max over params')
def _():
    def both_gradients(G,D,z):
        out=[]
        for s in (1,-1):
            l=D(G(z)); L=-s*F.softplus(s*l).mean(); g=torch.autograd.grad(L,list(G.parameters())); out.append(max(x.norm().item() for x in g))
        return tuple(out)
    return both_gradients


@right('4.3', 'func grad', 'torch.func with functional_call')
def _():
    def both_gradients(G,D,z):
        ps={k:v.detach() for k,v in G.named_parameters()}
        def n(s):
            g=torch.func.grad(lambda ps: F.softplus(s*D(torch.func.functional_call(G,ps,(z,)))).mean())(ps)
            return float(torch.stack([v.norm() for v in g.values()]).norm())
        return n(1.),n(-1.)
    return both_gradients


@wrong('4.4', 'global means', 'mean over all numbers')
def _():
    def feature_matching(features,real,fake): return (features(real).mean()-features(fake).mean())**2
    return feature_matching


@right('4.4', 'dot', 'dot of the difference')
def _():
    def feature_matching(features,real,fake):
        d=torch.sub(*(features(x).sum(0)/len(x) for x in (real.detach(),fake))); return d@d
    return feature_matching


@wrong('4.5', 'median', 'median of pairs')
def _():
    def distance_ratio(s,r):
        f=lambda x: F.pdist(x.flatten(1)).median().item(); return f(s)/f(r)
    return distance_ratio


@right('4.5', 'combos', 'itertools')
def _():
    def distance_ratio(s,r):
        import itertools
        f=lambda x: torch.stack([(a-b).norm() for a,b in itertools.combinations(x,2)]).mean(); return f(s)/f(r)
    return distance_ratio
