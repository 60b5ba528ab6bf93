"""Answers of a third blind trial to the exercises of notebook 01: right ones in many styles, wrong ones."""
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



@wrong('1.1', 'softplus beta', 'softplus(x, beta=2)')
def _():
    def d_loss(r,f): return F.softplus(-r,2).mean()+F.softplus(f,2).mean()
    def g_loss_saturating(f): return -F.softplus(f,2).mean()
    def g_loss_non_saturating(f): return F.softplus(-f,2).mean()
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@wrong('1.1', 'max of terms', 'd_loss: max(real, fake) instead of sum')
def _():
    def d_loss(r,f): return torch.maximum(F.softplus(-r).mean(),F.softplus(f).mean())
    def g_loss_saturating(f): return -F.softplus(f).mean()
    def g_loss_non_saturating(f): return F.softplus(-f).mean()
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@right('1.1', 'logaddexp', 'stable by logaddexp with zero')
def _():
    Z=lambda x: torch.logaddexp(x,torch.zeros_like(x)).mean()
    d_loss=lambda r,f: Z(-r)+Z(f)
    g_loss_saturating=lambda f: -Z(f)
    g_loss_non_saturating=lambda f: Z(-f)
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@right('1.1', 'cross_entropy two classes', '(0, logit) as two-class logits')
def _():
    def ce(x,k):
        x=x.reshape(-1); return F.cross_entropy(torch.stack([torch.zeros_like(x),x],1),torch.full((x.numel(),),k,dtype=torch.long))
    def d_loss(r,f): return ce(r,1)+ce(f,0)
    def g_loss_saturating(f): return -ce(f,0)
    def g_loss_non_saturating(f): return ce(f,1)
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@right('1.1', 'soft_margin_loss', "the library's log(1+exp(-yx)) -- overflows in pytorch? softplus of it kept")
def _():
    class L(nn.Module):
        def __init__(s,sign): super().__init__(); s.sign=sign
        def forward(s,f): return -F.logsigmoid(s.sign*f).mean()
    class DL(nn.Module):
        def __init__(s): super().__init__(); s.a,s.b=L(1.0),L(-1.0)
        def forward(s,r,f): return torch.stack([s.a(r),s.b(f)]).sum()
    class NL(L):
        def forward(s,f): return -super().forward(f)
    d_loss,g_loss_saturating,g_loss_non_saturating=DL(),NL(-1.0),L(1.0)
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@right('1.1', 'relu plus log1p', 'max(x,0)+log1p(exp(-|x|))')
def _():
    def sp(x): return torch.relu(x)+torch.log1p(torch.exp(-x.abs()))
    def d_loss(real_logits,fake_logits):
        total=0
        for x,s in ((real_logits,-1),(fake_logits,1)): total=total+sp(s*x).sum()/x.numel()
        return total
    def g_loss_saturating(f): return sp(f).mean().neg()
    def g_loss_non_saturating(f): return sp(-f).mean()
    return (d_loss, g_loss_saturating, g_loss_non_saturating)


@wrong('1.2', 'clamp at 1e-3', 'eps 1e-3 spoils densities of 1e-10')
def _():
    def optimal_discriminator(p,q): return p/(p+q).clamp(min=1e-3)
    return optimal_discriminator


@wrong('1.2', 'harmonic-like', 'p*q/(p+q)')
def _():
    def optimal_discriminator(p,q): return p*q/(p+q).clamp(min=1e-30)
    return optimal_discriminator


@right('1.2', 'sigmoid of log ratio', 'sigmoid(log p - log q), nan -> 0.5')
def _():
    def optimal_discriminator(p,q): return torch.sigmoid(p.log()-q.log()).nan_to_num(nan=.5)
    return optimal_discriminator


@right('1.2', 'numpy divide where', 'numpy with out')
def _():
    def optimal_discriminator(p,q):
        a,b=p.numpy(),q.numpy(); return torch.from_numpy(np.divide(a,a+b,out=np.full_like(a,.25),where=(a+b)>0))
    return optimal_discriminator


@right('1.2', 'masked_fill denominator', 'masked fill')
def _():
    def optimal_discriminator(p,q):
        s=torch.add(p,q); return p.div(s.masked_fill(s.eq(0),1))
    return optimal_discriminator


@right('1.2', 'torch.nn.functional.normalize L1', 'normalise pair with p=1, eps tiny')
def _():
    def optimal_discriminator(p,q): return F.normalize(torch.stack((p,q)),p=1,dim=0,eps=1e-30)[0]
    return optimal_discriminator


@wrong('1.3', 'batchmean', "kl_div's batchmean divides by N")
def _():
    def js_divergence(p,q,dx):
        m=((p+q)/2).clamp(min=1e-300).log()
        return .5*(F.kl_div(m,p,reduction="batchmean")+F.kl_div(m,q,reduction="batchmean"))*dx
    return js_divergence


@wrong('1.3', 'q copy-paste', 'second term uses p again')
def _():
    def js_divergence(p,q,dx):
        m=(p+q)/2; f=lambda a: torch.xlogy(a,a).sum()-torch.xlogy(a,m).sum()
        return .5*(f(p)+f(p))*dx
    return js_divergence


@right('1.3', 'entropies', 'H(m) - mean H')
def _():
    def js_divergence(p,q,dx):
        H=lambda a: torch.special.entr(a).sum()*dx
        return H((p+q)/2)-.5*(H(p)+H(q))
    return js_divergence


@right('1.3', 'via D*', 'log 2 + 1/2 E log D* + ...')
def _():
    def js_divergence(p,q,dx):
        s=(p+q).clamp(min=1e-300); return math.log(2)+.5*dx*float(torch.xlogy(p,p/s).sum()+torch.xlogy(q,q/s).sum())
    return js_divergence


@right('1.3', 'numpy loop with fsum', 'pure python loop')
def _():
    def js_divergence(p,q,dx):
        def terms():
            for a,b in zip(p.tolist(),q.tolist()):
                m=(a+b)/2
                for x in (a,b):
                    if x>0: yield x*math.log(x/m)/2
        return math.fsum(terms())*dx
    return js_divergence


@right('1.3', 'kl_div log_target', 'F.kl_div sum with clamp')
def _():
    def js_divergence(p,q,dx):
        m=((p+q)/2).clamp(min=1e-300).log()
        return sum(F.kl_div(m,x,reduction="sum") for x in (p,q))*dx/2
    return js_divergence
