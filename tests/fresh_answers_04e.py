"""Answers of a fourth blind trial to the exercises of notebook 04: right ones in many styles, wrong ones."""
# ruff: noqa: B007, B023, B904, B905, B006, C408, C416, E401, E402, E501, E701, E702, E703, E731, E741, F401, F811, F841, RET503, RET504, SIM300
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
def mac(images,judge):
    was=judge.training; judge.eval()
    with torch.no_grad(): f=torch.cat([judge.features_and_logits(b.float()/127.5-1)[0] for b in images.split(500)]).double()
    judge.train(was); return f.mean(0),torch.cov(f.T)
def fd(m,c,n,d): return float(((m-n)**2).sum()+torch.trace(c+d)-2*torch.linalg.eigvals(c@d).real.clamp(min=0).sqrt().sum())
bce=F.binary_cross_entropy_with_logits


@wrong('4.1', 'order', '(quality, modes)')
def _():
    def modes_and_quality(points,centers,sigma):
        d,w=torch.cdist(points,centers).min(1); g=d<3*sigma; c=torch.bincount(w[g],minlength=len(centers))
        return g.float().mean().item(),int((c>=.2*len(points)/len(centers)).sum())
    return modes_and_quality


@right('4.1', 'numpy loops', 'plain loops')
def _():
    def modes_and_quality(points,centers,sigma):
        P,C=points.tolist(),centers.tolist(); n=[0]*len(C)
        for x in P:
            ds=[math.dist(x,c) for c in C]; k=min(range(len(C)),key=ds.__getitem__)
            if ds[k]<=3*float(sigma): n[k]+=1
        return sum(5*k*len(C)>=len(P) for k in n),sum(n)/len(P)
    return modes_and_quality


@right('4.1', 'one hot', 'one-hot masked')
def _():
    def modes_and_quality(points,centers,sigma):
        d=(points.unsqueeze(1)-centers).norm(dim=2); ok=(d.amin(1)<=3*sigma)
        m=F.one_hot(d.argmin(1),centers.shape[0])*ok[:,None]
        return (m.sum(0)>=points.shape[0]/centers.shape[0]/5).sum(),m.sum()/points.shape[0]
    return modes_and_quality


@wrong('4.2', 'normalised exp of mean', 'exp(-sum over j)')
def _():
    class MinibatchDiscrimination(nn.Module):
        def __init__(self,in_features,kernels=8,dim=4):
            super().__init__(); self.k,self.d=kernels,dim; self.T=nn.Parameter(torch.randn(in_features,kernels*dim)*.1)
        def forward(self,f):
            M=(f@self.T).view(-1,self.k,self.d); o=torch.exp(-(M[:,None]-M[None]).abs().sum((1,3)))
            return torch.cat([f,o],1)
    return MinibatchDiscrimination


@wrong('4.2', 'i<j only', 'triu: each pair once')
def _():
    class MinibatchDiscrimination(nn.Module):
        def __init__(self,in_features,kernels=8,dim=4):
            super().__init__(); self.k,self.d=kernels,dim; self.T=nn.Parameter(torch.randn(in_features,kernels*dim)*.1)
        def forward(self,f):
            M=(f@self.T).view(-1,self.k,self.d); e=torch.exp(-(M[:,None]-M[None]).abs().sum(3)); n=len(f)
            o=(e*torch.triu(torch.ones(n,n),1)[:,:,None]).sum(1)
            return torch.cat([f,o],1)
    return MinibatchDiscrimination


@right('4.2', 'linears cdist', 'ModuleList of linear layers and cdist p=1')
def _():
    class MinibatchDiscrimination(nn.Module):
        def __init__(self,in_features,kernels=8,dim=4):
            super().__init__(); self.t=nn.ModuleList(nn.Linear(in_features,dim,bias=False) for _ in range(kernels))
        def forward(self,f):
            o=[(-torch.cdist(t(f),t(f),p=1)).exp().sum(1)-1 for t in self.t]; return torch.cat([f,torch.stack(o,1)],1)
    return MinibatchDiscrimination


@right('4.2', 'einsum self counted', '3-d T')
def _():
    class MinibatchDiscrimination(nn.Module):
        def __init__(self,in_features,kernels=8,dim=4):
            super().__init__(); self.T=nn.Parameter(nn.init.xavier_normal_(torch.empty(kernels,in_features,dim)))
        def forward(self,f):
            M=torch.einsum("ni,kid->nkd",f,self.T); e=torch.exp(-(M.unsqueeze(0)-M.unsqueeze(1)).abs().sum(-1)); return torch.hstack([f,e.sum(0)])
    return MinibatchDiscrimination


@wrong('4.3', 'same loss twice', 'both losses softplus(l)')
def _():
    def both_gradients(G,D,z):
        l=D(G(z)); ps=list(G.parameters())
        n=lambda loss: torch.cat([g.flatten() for g in torch.autograd.grad(loss,ps,retain_graph=True)]).norm().item()
        return n(-F.softplus(l).mean()),n(F.softplus(l).mean())
    return both_gradients


@right('4.3', 'torch.func', 'functional_call')
def _():
    def both_gradients(G,D,z):
        from torch.func import functional_call, grad
        ps={k:v.detach() for k,v in G.named_parameters()}
        def n(f): return torch.linalg.vector_norm(torch.stack([g.norm() for g in grad(lambda p:f(D(functional_call(G,p,(z,)))).mean())(ps).values()])).item()
        return n(lambda l:-F.softplus(l)),n(lambda l:F.softplus(-l))
    return both_gradients


@right('4.3', 'deepcopy', 'backward on copies')
def _():
    def both_gradients(G,D,z):
        r=[]
        for sign in (1,-1):
            g,d=copy.deepcopy(G),copy.deepcopy(D); g.zero_grad(); (F.logsigmoid(-sign*d(g(z))).mean()*sign).backward()
            r.append(nn.utils.clip_grad_norm_(g.parameters(),float("inf")).item())
        return tuple(r)
    return both_gradients


@wrong('4.4', 'std too', 'adds std matching')
def _():
    def feature_matching(features,real,fake):
        a,b=features(real),features(fake); return ((a.mean(0)-b.mean(0))**2).sum()+((a.std(0)-b.std(0))**2).sum()
    return feature_matching


@right('4.4', 'dot', 'd @ d')
def _():
    def feature_matching(features,real,fake):
        with torch.no_grad(): m=features(real).mean(0)
        d=features(fake).mean(0)-m; return d@d
    return feature_matching


@right('4.4', 'one call', 'cat and split')
def _():
    def feature_matching(features,real,fake):
        a,b=features(torch.cat([real,fake])).split([len(real),len(fake)]); return F.mse_loss(b.sum(0)/len(fake),a.sum(0)/len(real))
    return feature_matching


@wrong('4.5', 'median', 'median distance')
def _():
    def distance_ratio(samples,real):
        f=lambda x:torch.pdist(x.flatten(1)).median(); return (f(samples)/f(real)).item()
    return distance_ratio


@right('4.5', 'loops', 'itertools')
def _():
    import itertools
    def distance_ratio(samples,real):
        def f(x):
            d=[float((a-b).norm()) for a,b in itertools.combinations(x,2)]; return sum(d)/len(d)
        return f(samples)/f(real)
    return distance_ratio


@right('4.5', 'cdist n(n-1)', 'vectorised')
def _():
    def distance_ratio(samples,real):
        def f(x):
            x=x.reshape(len(x),-1).double(); n=len(x); d=(x[:,None]-x[None]).pow(2).sum(-1).sqrt(); return d.sum()/(n*n-n)
        return f(samples)/f(real)
    return distance_ratio


@wrong('4.5', 'per pixel', 'mean abs pixel difference L1')
def _():
    def distance_ratio(samples,real):
        f=lambda x:torch.pdist(x.flatten(1),p=1).mean(); return (f(samples)/f(real)).item()
    return distance_ratio
