"""Answers of a fourth blind trial to the exercises of notebook 01: right ones in many styles, wrong ones."""
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
bce=F.binary_cross_entropy_with_logits
def mac(images,judge):
    was=judge.training; judge.eval()
    with torch.no_grad(): f=torch.cat([judge.features_and_logits(b.float()/127.5-1)[0] for b in images.split(500)]).double()
    judge.train(was); return f.mean(0),torch.cov(f.T)
def fd(m,c,n,d): return float(((m-n)**2).sum()+torch.trace(c+d)-2*torch.linalg.eigvals(c@d).real.clamp(min=0).sqrt().sum())
bce=F.binary_cross_entropy_with_logits


@wrong('1.1', 'eps in log', 'log(sigmoid+1e-8)')
def _():
    def d_loss(r,f): return -(torch.log(torch.sigmoid(r)+1e-8).mean()+torch.log(1-torch.sigmoid(f)+1e-8).mean())
    def g_loss_saturating(f): return torch.log(1-torch.sigmoid(f)+1e-8).mean()
    def g_loss_non_saturating(f): return -torch.log(torch.sigmoid(f)+1e-8).mean()
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@right('1.1', 'logaddexp', 'functional')
def _():
    def d_loss(r,f):
        z = torch.zeros_like
        return torch.logaddexp(z(r), -r).mean() + torch.logaddexp(z(f), f).mean()
    def g_loss_saturating(f): return -torch.logaddexp(torch.zeros_like(f), f).mean()
    def g_loss_non_saturating(f): return torch.logaddexp(torch.zeros_like(f), -f).mean()
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@right('1.1', 'cross_entropy two classes', 'two-class softmax')
def _():
    def two(x, c):
        x = x.reshape(-1)
        return F.cross_entropy(torch.stack([torch.zeros_like(x), x], 1), torch.full((len(x),), c))
    def d_loss(r,f): return two(r,1)+two(f,0)
    g_loss_saturating = lambda f: -two(f,0)
    g_loss_non_saturating = lambda f: two(f,1)
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@right('1.1', 'modules', 'nn.Modules with buffers')
def _():
    class Loss(nn.Module):
        def __init__(self, sign): super().__init__(); self.sign = sign; self.soft = nn.Softplus()
        def forward(self, f): return self.sign * self.soft(self.sign * -f * -1 * (1 if self.sign < 0 else -1) * (-1 if self.sign < 0 else 1)).mean() if False else (-self.soft(f).mean() if self.sign < 0 else self.soft(-f).mean())
    class DL(nn.Module):
        def __init__(self): super().__init__(); self.c = nn.BCEWithLogitsLoss(reduction="sum")
        def forward(self, r, f): return self.c(r, r*0+1)/r.numel() + self.c(f, f*0)/f.numel()
    d_loss, g_loss_saturating, g_loss_non_saturating = DL(), Loss(-1), Loss(1)
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@right('1.1', 'max+log1p by hand', 'stable formula by hand')
def _():
    def sp(x): return x.clamp(min=0) + torch.log1p(torch.exp(-x.abs()))
    def d_loss(r,f): return (sp(r)-r).mean()+sp(f).mean()
    def g_loss_saturating(f): return -sp(f).mean()
    def g_loss_non_saturating(f): return (sp(f)-f).mean()
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@wrong('1.2', 'eps 1e-8', 'constant far too large for 1e-10')
def _():
    def optimal_discriminator(p_data,p_g): return p_data/(p_data+p_g+1e-8)
    return optimal_discriminator


@wrong('1.2', '1 where pg zero else ratio', 'integer floor division')
def _():
    def optimal_discriminator(p_data,p_g):
        s=p_data+p_g
        return torch.where(s>0,p_data//torch.where(s>0,s,torch.ones_like(s)),.5)
    return optimal_discriminator


@right('1.2', 'exp log', 'sigmoid of log ratio, safe')
def _():
    def optimal_discriminator(p_data,p_g):
        return torch.sigmoid(p_data.log()-p_g.log()).nan_to_num(0.3)
    return optimal_discriminator


@right('1.2', 'masked in place', 'index assignment')
def _():
    def optimal_discriminator(p_data,p_g):
        out=torch.ones_like(p_data); m=(p_data+p_g)!=0
        out[m]=p_data[m]/(p_data[m]+p_g[m]); return out
    return optimal_discriminator


@right('1.2', 'loop', 'list comprehension')
def _():
    def optimal_discriminator(p_data,p_g):
        v=[a/(a+b) if a+b>0 else 0. for a,b in zip(p_data.flatten().tolist(),p_g.flatten().tolist())]
        return torch.tensor(v,dtype=p_data.dtype).view(p_data.shape)
    return optimal_discriminator


@right('1.2', 'clamp_min tiny', 'finfo tiny')
def _():
    def optimal_discriminator(p_data,p_g): return p_data/(p_data+p_g).clamp(min=torch.finfo(p_data.dtype).tiny)
    return optimal_discriminator


@wrong('1.3', 'mean*dx', 'mean instead of sum')
def _():
    def js_divergence(p,q,dx):
        m=(p+q)/2
        kl=lambda a,b:(torch.xlogy(a,a)-torch.xlogy(a,b)).mean()*dx
        return .5*kl(p,m)+.5*kl(q,m)
    return js_divergence


@right('1.3', 'entropies', 'H(m) - (H(p)+H(q))/2')
def _():
    def js_divergence(p,q,dx):
        H=lambda a: torch.special.entr(a).sum()*dx
        return H((p+q)/2)-(H(p)+H(q))/2
    return js_divergence


@right('1.3', 'numpy', 'rel_entr by hand in numpy')
def _():
    def js_divergence(p,q,dx):
        p,q=p.numpy(),q.numpy(); m=(p+q)/2
        with np.errstate(all="ignore"):
            a=np.where(p>0,p*np.log(p/m),0.); b=np.where(q>0,q*np.log(q/m),0.)
        return float((a+b).sum()*dx/2)
    return js_divergence


@right('1.3', 'loop masses', 'probabilities p*dx, math.fsum')
def _():
    def js_divergence(p,q,dx):
        total=[]
        for a,b in zip(p.tolist(),q.tolist()):
            for u in (a,b):
                if u: total.append(u*dx*(math.log(2)+math.log(u/(a+b)))/2)
        return math.fsum(total)
    return js_divergence


@right('1.3', 'D* form', 'log 2 + half value of the game')
def _():
    def js_divergence(p,q,dx):
        d=p/(p+q).clamp(min=1e-300)
        return math.log(2)+.5*(torch.xlogy(p,d)+torch.xlogy(q,1-d)).sum()*dx
    return js_divergence


@wrong('1.2', 'always p>q where', 'hard decision with 0.5 ties')
def _():
    def optimal_discriminator(p_data,p_g): return torch.where(p_data>p_g,p_data/(p_data+p_g),1-p_data/(p_data+p_g)).nan_to_num(.5)
    return optimal_discriminator
