"""Answers of a fourth blind trial to the exercises of notebook 05: right ones in many styles, wrong ones."""
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


@wrong('5.1', 'z dropped', 'only label code goes in')
def _():
    class ConditionalGenerator(nn.Module):
        def __init__(self,latent_dim=64,num_classes=10,hidden_dim=256):
            super().__init__(); self.e=nn.Embedding(num_classes,latent_dim); self.net=nn.Sequential(nn.Linear(latent_dim,hidden_dim),nn.ReLU(),nn.Linear(hidden_dim,784),nn.Tanh())
        def forward(self,z,y): return self.net(self.e(y)).view(-1,1,28,28)
    return ConditionalGenerator


@right('5.1', 'multiplied', 'z times embedding (ACGAN style) plus shift')
def _():
    class ConditionalGenerator(nn.Module):
        def __init__(self,latent_dim=64,num_classes=10,hidden_dim=256):
            super().__init__(); self.s=nn.Embedding(num_classes,latent_dim); self.b=nn.Embedding(num_classes,latent_dim); self.net=nn.Sequential(nn.Linear(latent_dim,hidden_dim),nn.ReLU(),nn.Linear(hidden_dim,784),nn.Tanh())
        def forward(self,z,y): return self.net(z*self.s(y)+self.b(y)).view(-1,1,28,28)
    return ConditionalGenerator


@right('5.1', 'film', 'conditional BN-like scale in a hidden layer')
def _():
    class ConditionalGenerator(nn.Module):
        def __init__(self,latent_dim=64,num_classes=10,hidden_dim=256):
            super().__init__(); self.n=num_classes; self.a=nn.Linear(latent_dim,hidden_dim); self.c=nn.Linear(num_classes,2*hidden_dim); self.o=nn.Linear(hidden_dim,784)
        def forward(self,z,y):
            g,b=self.c(F.one_hot(y,self.n).to(z.dtype)).chunk(2,1); return torch.tanh(self.o(F.relu(self.a(z)*(1+g)+b))).reshape(-1,1,28,28)
    return ConditionalGenerator


@wrong('5.2', 'sigmoid', 'sigmoid at end')
def _():
    class ConditionalDiscriminator(nn.Module):
        def __init__(self,num_classes=10,hidden_dim=256):
            super().__init__(); self.e=nn.Embedding(num_classes,32); self.f=nn.Sequential(nn.Linear(816,hidden_dim),nn.LeakyReLU(.2),nn.Linear(hidden_dim,1),nn.Sigmoid())
        def forward(self,x,y): return self.f(torch.cat([x.flatten(1),self.e(y)],1))
    return ConditionalDiscriminator


@right('5.2', 'gather', 'one output per class gathered')
def _():
    class ConditionalDiscriminator(nn.Module):
        def __init__(self,num_classes=10,hidden_dim=256):
            super().__init__(); self.f=nn.Sequential(nn.Flatten(),nn.Linear(784,hidden_dim),nn.LeakyReLU(.2),nn.Linear(hidden_dim,num_classes))
        def forward(self,x,y): return self.f(x).gather(1,y[:,None])
    return ConditionalDiscriminator


@right('5.2', 'projection sn', 'projection with spectral norm')
def _():
    from torch.nn.utils.parametrizations import spectral_norm as sn
    class ConditionalDiscriminator(nn.Module):
        def __init__(self,num_classes=10,hidden_dim=256):
            super().__init__(); self.f=nn.Sequential(nn.Flatten(),sn(nn.Linear(784,hidden_dim)),nn.LeakyReLU(.2),sn(nn.Linear(hidden_dim,hidden_dim)),nn.LeakyReLU(.2)); self.v=sn(nn.Linear(hidden_dim,1)); self.e=sn(nn.Embedding(num_classes,hidden_dim))
        def forward(self,x,y):
            h=self.f(x); return self.v(h).squeeze(1)+(self.e(y)*h).sum(1)
    return ConditionalDiscriminator


@right('5.2', 'planes conv', 'label planes and conv')
def _():
    class ConditionalDiscriminator(nn.Module):
        def __init__(self,num_classes=10,hidden_dim=256):
            super().__init__(); self.k=num_classes; self.c=nn.Conv2d(1+num_classes,8,4,2,1); self.o=nn.Sequential(nn.Flatten(),nn.Linear(8*196,hidden_dim),nn.ReLU(),nn.Linear(hidden_dim,1))
        def forward(self,x,y):
            p=F.one_hot(y,self.k).float()[:,:,None,None].expand(-1,-1,28,28); return self.o(F.leaky_relu(self.c(torch.cat([x,p],1)),.2))
    return ConditionalDiscriminator


@wrong('5.3', 'real labels shuffled', "D's real images told permuted labels")
def _():
    def d_step(G,D,d_optimizer,real,labels,latent_dim):
        fake=G(torch.randn(len(real),latent_dim),labels).detach(); r,f=D(real,labels[torch.randperm(len(labels))]),D(fake,labels)
        l=bce(r,torch.ones_like(r))+bce(f,torch.zeros_like(f)); d_optimizer.zero_grad(); l.backward(); d_optimizer.step(); return l.item()
    return d_step


@right('5.3', 'one call', 'concatenated both, permuted order')
def _():
    def d_step(G,D,d_optimizer,real,labels,latent_dim):
        n=len(real); perm=torch.randperm(n)
        with torch.no_grad(): fake=G(torch.randn(n,latent_dim),labels[perm])
        o=D(torch.cat([real,fake]),torch.cat([labels,labels[perm]])).reshape(2,n)
        l=F.softplus(-o[0]).mean()+F.softplus(o[1]).mean(); d_optimizer.zero_grad(); l.backward(); d_optimizer.step(); return float(l.detach())
    return d_step


@right('5.3', 'accumulated', 'two backward calls')
def _():
    def d_step(G,D,d_optimizer,real,labels,latent_dim):
        d_optimizer.zero_grad(); s=0.
        for x,t in ((real,1.),(G(torch.randn(len(real),latent_dim),labels).detach(),0.)):
            o=D(x,labels); l=bce(o,torch.full_like(o,t)); l.backward(); s+=l.item()
        d_optimizer.step(); return s
    return d_step


@wrong('5.4', 'arange', 'labels arange(n)')
def _():
    def generate_digit(G,digit,n,latent_dim=64):
        m=G.training; G.eval()
        with torch.no_grad(): x=G(torch.randn(n,latent_dim),torch.arange(n)%10)
        G.train(m); return x
    return generate_digit


@right('5.4', 'copy', 'evaluated on a deepcopy, in chunks')
def _():
    def generate_digit(G,digit,n,latent_dim=64):
        g=copy.deepcopy(G).eval()
        with torch.inference_mode(): return torch.cat([g(torch.randn(1,latent_dim),torch.tensor([digit])) for _ in range(n)]).clone()
    return generate_digit


@right('5.4', 'try/finally', 'per-module modes')
def _():
    def generate_digit(G,digit,n,latent_dim=64):
        modes=[(m,m.training) for m in G.modules()]
        try:
            G.eval(); return G(torch.randn(n,latent_dim),torch.tensor([digit]*n)).detach()
        finally:
            for m,t in modes: m.training=t
    return generate_digit


@wrong('5.6', 'unstable', 'exp sum')
def _():
    def kplus1_losses(labelled_logits,labels,real_logits,fake_logits):
        D=lambda l: l.exp().sum(1)/(l.exp().sum(1)+1)
        return F.cross_entropy(labelled_logits,labels),-D(real_logits).log().mean(),-(1-D(fake_logits)).log().mean()
    return kplus1_losses


@wrong('5.6', 'softmax first', 'cross_entropy on softmax')
def _():
    def kplus1_losses(labelled_logits,labels,real_logits,fake_logits):
        r,f=real_logits.logsumexp(1),fake_logits.logsumexp(1)
        return F.cross_entropy(labelled_logits.softmax(1),labels),F.softplus(-r).mean(),F.softplus(f).mean()
    return kplus1_losses


@right('5.6', 'padded logit', 'K+1 log_softmax with a zero column')
def _():
    def kplus1_losses(labelled_logits,labels,real_logits,fake_logits):
        pad=lambda l:F.pad(l,(0,1)).log_softmax(1)
        s=-labelled_logits.log_softmax(1).gather(1,labels[:,None]).mean()
        return s,-pad(real_logits)[:,:-1].logsumexp(1).mean(),-pad(fake_logits)[:,-1].mean()
    return kplus1_losses


@right('5.6', 'logaddexp', 'log(S+1)')
def _():
    def kplus1_losses(labelled_logits,labels,real_logits,fake_logits):
        L=lambda l:l.logsumexp(1); P=lambda l:torch.logaddexp(L(l),torch.zeros(()))
        return (L(labelled_logits)-labelled_logits[range(len(labels)),labels]).mean(),(P(real_logits)-L(real_logits)).mean(),P(fake_logits).mean()
    return kplus1_losses


@wrong('5.7', 'percent', '*100')
def _():
    def class_accuracy(said,asked,num_classes=10): return torch.stack([100*(said[asked==k]==k).float().mean() for k in range(num_classes)])
    return class_accuracy


@right('5.7', 'confusion matrix', 'diag of confusion')
def _():
    def class_accuracy(said,asked,num_classes=10):
        c=torch.zeros(num_classes,num_classes,dtype=torch.float64).index_put_((asked,said),torch.ones(len(said),dtype=torch.float64),accumulate=True); return c.diag()/c.sum(1)
    return class_accuracy


@right('5.7', 'one hot matmul', 'one-hot')
def _():
    def class_accuracy(said,asked,num_classes=10):
        a=F.one_hot(asked,num_classes).float(); return (a.T@(said==asked).float())/a.sum(0)
    return class_accuracy


@wrong('5.6', 'labelled in real', 'real term from the labelled logits')
def _():
    def kplus1_losses(labelled_logits,labels,real_logits,fake_logits):
        r,f=labelled_logits.logsumexp(1),fake_logits.logsumexp(1)
        return F.cross_entropy(labelled_logits,labels),F.softplus(-r).mean(),F.softplus(f).mean()
    return kplus1_losses
