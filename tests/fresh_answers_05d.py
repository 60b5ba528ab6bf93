"""Answers of a third blind trial to the exercises of notebook 05: right ones in many styles, wrong ones."""
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
bce=F.binary_cross_entropy_with_logits
PZ=nn.utils.parametrizations
def mean_and_covariance(images, judge):
    was=judge.training; judge.eval()
    with torch.no_grad(): f=judge.features_and_logits(images.float()/127.5-1)[0].double()
    judge.train(was); return f.mean(0),torch.cov(f.T)
def frechet_distance(a,A,b,B): return ((a-b).square().sum()+A.trace()+B.trace()-2*torch.linalg.eigvals(A@B).sqrt().real.sum()).item()
def make_optimizers(G,D): return tuple(torch.optim.Adam(n.parameters(),lr=1e-3,betas=(.5,.999)) for n in (G,D))
def mean_and_covariance(images, judge):
    was=judge.training; judge.eval()
    with torch.no_grad(): f=judge.features_and_logits(images.float()/127.5-1)[0].double()
    judge.train(was); return f.mean(0),torch.cov(f.T)
def frechet_distance(a,A,b,B):
    e=torch.linalg.eigvals(A@B).real.clamp(min=0).sqrt().sum()
    return ((a-b).square().sum()+A.trace()+B.trace()-2*e).item()
bce=F.binary_cross_entropy_with_logits
def make_optimizers(G,D): return tuple(torch.optim.Adam(n.parameters(),lr=1e-3,betas=(.5,.999)) for n in (G,D))


@wrong('5.1', 'label/num', 'y/num_classes as one float column')
def _():
    class ConditionalGenerator(nn.Module):
        def __init__(self,latent_dim=64,num_classes=10,hidden_dim=256):
            super().__init__(); self.k=num_classes; self.net=nn.Sequential(nn.Linear(latent_dim+1,hidden_dim),nn.ReLU(),nn.Linear(hidden_dim,784),nn.Tanh())
        def forward(self,z,y): return self.net(torch.cat([z,y[:,None].float()/self.k],1)).view(-1,1,28,28)
    return ConditionalGenerator


@wrong('5.1', 'frozen table', "embedding's weights filled with one constant: all classes alike")
def _():
    class ConditionalGenerator(nn.Module):
        def __init__(self,latent_dim=64,num_classes=10,hidden_dim=256):
            super().__init__(); self.e=nn.Embedding(num_classes,32); nn.init.zeros_(self.e.weight); self.e.weight.requires_grad_(False); self.net=nn.Sequential(nn.Linear(latent_dim+32,hidden_dim),nn.ReLU(),nn.Linear(hidden_dim,784),nn.Tanh())
        def forward(self,z,y): return self.net(torch.cat([z,self.e(y)],1)).view(-1,1,28,28)
    return ConditionalGenerator


@right('5.1', 'FiLM', 'class-conditional gain and shift')
def _():
    class ConditionalGenerator(nn.Module):
        def __init__(self,latent_dim=64,num_classes=10,hidden_dim=256):
            super().__init__(); self.a=nn.Linear(latent_dim,hidden_dim); self.f=nn.Embedding(num_classes,2*hidden_dim); self.o=nn.Linear(hidden_dim,784)
        def forward(self,z,y):
            g,b=self.f(y).chunk(2,1); return torch.tanh(self.o(F.silu(self.a(z)*(1+g)+b))).view(-1,1,28,28)
    return ConditionalGenerator


@right('5.1', 'one net per class weights', 'bank of first layers selected by y')
def _():
    class ConditionalGenerator(nn.Module):
        def __init__(self,latent_dim=64,num_classes=10,hidden_dim=256):
            super().__init__(); self.W=nn.Parameter(torch.randn(num_classes,latent_dim,hidden_dim)/latent_dim**.5); self.tail=nn.Sequential(nn.ReLU(),nn.Linear(hidden_dim,784),nn.Tanh(),nn.Unflatten(1,(1,28,28)))
        def forward(self,z,y): return self.tail(torch.bmm(z[:,None],self.W[y])[:,0])
    return ConditionalGenerator


@right('5.1', 'one-hot by eye buffer', 'eye buffer and linear branch')
def _():
    class ConditionalGenerator(nn.Module):
        def __init__(self,latent_dim=64,num_classes=10,hidden_dim=256):
            super().__init__(); self.register_buffer("eye",torch.eye(num_classes)); self.c=nn.Linear(num_classes,latent_dim,bias=False); self.net=nn.Sequential(nn.Linear(latent_dim,hidden_dim),nn.LeakyReLU(.2),nn.Linear(hidden_dim,784),nn.Tanh())
        def forward(self,z,y): return self.net(z*torch.sigmoid(self.c(self.eye[y]))+self.c(self.eye[y])).reshape(len(y),1,28,28)
    return ConditionalGenerator


@wrong('5.2', 'cross entropy as logit', 'returns F.cross_entropy mean: scalar')
def _():
    class ConditionalDiscriminator(nn.Module):
        def __init__(self,num_classes=10,hidden_dim=256):
            super().__init__(); self.net=nn.Sequential(nn.Flatten(),nn.Linear(784,hidden_dim),nn.LeakyReLU(.2),nn.Linear(hidden_dim,num_classes))
        def forward(self,x,y): return -F.cross_entropy(self.net(x),y,reduction="none")
    return ConditionalDiscriminator


@right('5.2', 'gather K logits', 'a logit per class, gathered')
def _():
    class ConditionalDiscriminator(nn.Module):
        def __init__(self,num_classes=10,hidden_dim=256):
            super().__init__(); self.net=nn.Sequential(nn.Flatten(),nn.Linear(784,hidden_dim),nn.LeakyReLU(.2),nn.Linear(hidden_dim,num_classes))
        def forward(self,x,y): return self.net(x).gather(1,y[:,None])
    return ConditionalDiscriminator


@right('5.2', 'bilinear', 'nn.Bilinear')
def _():
    class ConditionalDiscriminator(nn.Module):
        def __init__(self,num_classes=10,hidden_dim=256):
            super().__init__(); self.k=num_classes; self.h=nn.Sequential(nn.Flatten(),nn.Linear(784,hidden_dim),nn.ReLU()); self.b=nn.Bilinear(hidden_dim,num_classes,1)
        def forward(self,x,y): return self.b(self.h(x),F.one_hot(y,self.k).to(x)).squeeze(1)
    return ConditionalDiscriminator


@right('5.2', 'spectral projection', 'spectral-norm projection with einsum')
def _():
    class ConditionalDiscriminator(nn.Module):
        def __init__(self,num_classes=10,hidden_dim=256):
            super().__init__(); sn=nn.utils.spectral_norm; self.h=nn.Sequential(nn.Flatten(),sn(nn.Linear(784,hidden_dim)),nn.LeakyReLU(.1),sn(nn.Linear(hidden_dim,hidden_dim)),nn.LeakyReLU(.1)); self.o=sn(nn.Linear(hidden_dim,1)); self.e=sn(nn.Embedding(num_classes,hidden_dim))
        def forward(self,x,y):
            h=self.h(x); return self.o(h).flatten()+torch.einsum("nd,nd->n",h,self.e(y))
    return ConditionalDiscriminator


@wrong('5.3', 'real without labels shuffle', 'D(real, permuted labels)')
def _():
    def d_step(G,D,opt,real,labels,latent_dim):
        n=len(real); fake=G(torch.randn(n,latent_dim),labels).detach(); r=D(real,labels[torch.randperm(n)]); f=D(fake,labels)
        loss=F.softplus(-r).mean()+F.softplus(f).mean(); opt.zero_grad(); loss.backward(); opt.step(); return loss.item()
    return d_step


@wrong('5.3', 'noise depends on class', 'z seeded by labels: z = randn(10,d)[labels]: same z for each class')
def _():
    def d_step(G,D,opt,real,labels,latent_dim):
        z=torch.randn(10,latent_dim)[labels]; fake=G(z,labels).detach(); r=D(real,labels); f=D(fake,labels)
        loss=F.softplus(-r).mean()+F.softplus(f).mean(); opt.zero_grad(); loss.backward(); opt.step(); return loss.item()
    return d_step


@right('5.3', 'permuted labels', 'fakes with a permutation of the labels, both G and D')
def _():
    def d_step(G,D,opt,real,labels,latent_dim):
        n=len(real); y=labels[torch.randperm(n)]
        with torch.no_grad(): fake=G(torch.randn(n,latent_dim),y)
        r,f=D(torch.cat([real,fake]),torch.cat([labels,y])).flatten().chunk(2)
        loss=-F.logsigmoid(r).mean()-F.logsigmoid(f.neg()).mean(); opt.zero_grad(); loss.backward(); opt.step(); return float(loss)
    return d_step


@right('5.3', 'closure two backwards', 'accumulate two backward passes')
def _():
    def d_step(G,D,opt,real,labels,latent_dim):
        D.zero_grad(set_to_none=True); out=[]
        for x,t in ((real,1.),(G(torch.randn(len(labels),latent_dim),labels).detach(),0.)):
            l=D(x,labels); s=bce(l,torch.full_like(l,t)); s.backward(); out.append(s.item())
        opt.step(); return sum(out)
    return d_step


@wrong('5.4', 'float labels', 'torch.ones(n)*digit')
def _():
    def generate_digit(G,digit,n,latent_dim=64):
        m=G.training; G.eval()
        with torch.no_grad(): x=G(torch.randn(n,latent_dim),torch.ones(n)*digit)
        G.train(m); return x
    return generate_digit


@wrong('5.4', 'no restore on grad', 'requires_grad_(False) left')
def _():
    def generate_digit(G,digit,n,latent_dim=64):
        m=G.training; G.eval(); G.requires_grad_(False); x=G(torch.randn(n,latent_dim),torch.full((n,),digit)); G.train(m); return x
    return generate_digit


@wrong('5.4', 'grad switched off', 'torch.set_grad_enabled(False) never on again')
def _():
    def generate_digit(G,digit,n,latent_dim=64):
        m=G.training; G.eval(); torch.set_grad_enabled(False); x=G(torch.randn(n,latent_dim),torch.full((n,),digit)); G.train(m); return x
    return generate_digit


@right('5.4', 'one by one', 'loop of single images with inference_mode')
def _():
    def generate_digit(G,digit,n,latent_dim=64):
        was=G.training
        try:
            G.train(False)
            with torch.no_grad(): return torch.vstack([G(torch.randn(1,latent_dim),torch.tensor([digit])) for _ in range(n)])
        finally: G.train(was)
    return generate_digit


@right('5.4', 'copy in eval', 'deep copy in eval mode')
def _():
    def generate_digit(G,digit,n,latent_dim=64):
        twin=copy.deepcopy(G).eval().requires_grad_(False); return twin(torch.normal(torch.zeros(n,latent_dim),1.),torch.as_tensor(digit).expand(n).contiguous())
    return generate_digit


@wrong('5.6', 'exp sums', 'S = exp().sum(): overflow')
def _():
    def kplus1_losses(l,y,r,f):
        S,T=r.exp().sum(1),f.exp().sum(1); return F.cross_entropy(l,y),-(S/(S+1)).log().mean(),(T+1).log().mean()
    return kplus1_losses


@wrong('5.6', 'fake as uniform', '-log(1-D) by log(-expm1(-x))... fake uses bce with wrong sign of lse only in real: -logsigmoid(-lse) both')
def _():
    def kplus1_losses(l,y,r,f): return F.cross_entropy(l,y),-F.logsigmoid(-r.logsumexp(1)).mean(),-F.logsigmoid(-f.logsumexp(1)).mean()
    return kplus1_losses


@right('5.6', 'K+1 log_softmax with zero column', 'pad')
def _():
    def kplus1_losses(l,y,r,f):
        full=lambda x: F.pad(x,(0,1)).log_softmax(1)
        return -l.log_softmax(1)[torch.arange(len(y)),y].mean(),-(full(r)[:,:-1].logsumexp(1)).mean(),-full(f)[:,-1].mean()
    return kplus1_losses


@right('5.6', 'bce on lse', 'bce with logits on logsumexp')
def _():
    def kplus1_losses(labelled_logits,labels,real_logits,fake_logits):
        lse=functools.partial(torch.logsumexp,dim=-1)
        return (lse(labelled_logits)-labelled_logits.gather(1,labels.view(-1,1))[:,0]).mean(),*(bce(lse(x),torch.full((len(x),),t,dtype=x.dtype)) for x,t in ((real_logits,1.),(fake_logits,0.)))
    return kplus1_losses


@wrong('5.7', 'equal blocks', 'reshape(num_classes,-1): assumes sorted equal counts')
def _():
    def class_accuracy(said,asked,num_classes=10):
        n=len(asked)//num_classes; return (said==asked)[:n*num_classes].float().view(num_classes,n).mean(1)
    return class_accuracy


@wrong('5.7', 'unique only correct', 'bincount without minlength: short')
def _():
    def class_accuracy(said,asked,num_classes=10):
        hit=torch.bincount(asked[said==asked]); return hit/torch.bincount(asked)[:len(hit)]
    return class_accuracy


@right('5.7', 'one-hot matmul', 'one-hot')
def _():
    def class_accuracy(said,asked,num_classes=10):
        A=F.one_hot(asked,num_classes).double(); return (A.T@(said==asked).double())/A.sum(0)
    return class_accuracy


@right('5.7', 'scatter_reduce mean', 'scatter_reduce')
def _():
    def class_accuracy(said,asked,num_classes=10): return torch.zeros(num_classes).scatter_reduce(0,asked,said.eq(asked).float(),"mean",include_self=False)
    return class_accuracy


@right('5.7', 'numpy confusion', 'np.add.at and dict counting')
def _():
    def class_accuracy(said,asked,num_classes=10):
        from collections import Counter
        n,h=Counter(asked.tolist()),Counter(a for s,a in zip(said.tolist(),asked.tolist()) if s==a); return torch.tensor([h[k]/n[k] for k in range(num_classes)])
    return class_accuracy


@wrong('5.1', 'label dropout', 'labels replaced at random also in evaluation')
def _():
    class ConditionalGenerator(nn.Module):
        def __init__(self,latent_dim=64,num_classes=10,hidden_dim=256):
            super().__init__(); self.e=nn.Embedding(num_classes,32); self.net=nn.Sequential(nn.Linear(latent_dim+32,hidden_dim),nn.ReLU(),nn.Linear(hidden_dim,784),nn.Tanh())
        def forward(self,z,y):
            c=self.e(torch.where(torch.rand(len(y))<.1,torch.randint_like(y,self.e.num_embeddings),y))
            return self.net(torch.cat([z,c],1)).view(-1,1,28,28)
    return ConditionalGenerator


@wrong('5.1', 'z summed', 'z averaged to one number')
def _():
    class ConditionalGenerator(nn.Module):
        def __init__(self,latent_dim=64,num_classes=10,hidden_dim=256):
            super().__init__(); self.e=nn.Embedding(num_classes,32); self.net=nn.Sequential(nn.Linear(latent_dim+32,hidden_dim),nn.ReLU(),nn.Linear(hidden_dim,784),nn.Tanh())
        def forward(self,z,y):
            c=self.e(y)
            return self.net(torch.cat([z.mean(1,keepdim=True).expand_as(z),c],1)).view(-1,1,28,28)
    return ConditionalGenerator


@wrong('5.2', 'noise', 'instance noise in forward always')
def _():
    class ConditionalDiscriminator(nn.Module):
        def __init__(self,num_classes=10,hidden_dim=256):
            super().__init__(); self.e=nn.Embedding(num_classes,32); self.net=nn.Sequential(nn.Linear(784+32,hidden_dim),nn.LeakyReLU(.2),nn.Linear(hidden_dim,1))
        def forward(self,x,y):
            c=self.e(y)
            return self.net(torch.cat([(x+.1*torch.randn_like(x)).flatten(1),c],1))
    return ConditionalDiscriminator


@wrong('5.3', 'label weights', 'terms weighted by class frequency')
def _():
    def d_step(G,D,opt,real,labels,latent_dim):
        fake=G(torch.randn(len(real),latent_dim),labels).detach()
        r,f=D(real,labels),D(fake,labels)
        loss=(F.softplus(-r).flatten()*(1/torch.bincount(labels)[labels])).sum()/len(labels.unique())+F.softplus(f).mean()
        opt.zero_grad(); loss.backward(); opt.step()
        return loss.item()
    return d_step


@wrong('5.4', 'best picks', 'draws 2n and keeps the brightest n')
def _():
    def generate_digit(G,digit,n,latent_dim=64):
        m=G.training; G.eval()
        with torch.no_grad(): x=G(torch.randn(2*n,latent_dim),torch.full((2*n,),digit)); x=x[x.mean((1,2,3)).argsort(descending=True)[:n]]
        G.train(m); return x
    return generate_digit


@right('5.7', 'groupby sort', 'sorted by asked then split')
def _():
    def class_accuracy(said,asked,num_classes=10):
        o=asked.argsort(); hits=(said==asked)[o].double(); return torch.stack([h.mean() for h in hits.split(asked.bincount(minlength=num_classes).tolist())])
    return class_accuracy


@right('5.3', 'F.bce reduction none', 'weights 2')
def _():
    def d_step(G,D,opt,real,labels,latent_dim):
        n=len(labels)
        with torch.no_grad(): x=torch.cat((real,G(torch.randn(n,latent_dim),labels)))
        t=torch.cat((torch.ones(n),torch.zeros(n))); l=D(x,torch.tile(labels,(2,))).view(-1)
        loss=F.binary_cross_entropy_with_logits(l,t,reduction="none").view(2,n).mean(1).sum(); opt.zero_grad(); loss.backward(); opt.step(); return loss.item()
    return d_step


@right('5.1', 'label as multiplicative gate + hardtanh-free', 'hypernetwork bias')
def _():
    class ConditionalGenerator(nn.Module):
        def __init__(self,latent_dim=64,num_classes=10,hidden_dim=256):
            super().__init__(); self.norm=nn.BatchNorm1d(hidden_dim,affine=False); self.gain=nn.Embedding(num_classes,hidden_dim); self.bias=nn.Embedding(num_classes,hidden_dim); nn.init.ones_(self.gain.weight); self.a=nn.Linear(latent_dim,hidden_dim); self.o=nn.Linear(hidden_dim,784)
        def forward(self,z,y): return self.o(F.relu(self.norm(self.a(z))*self.gain(y)+self.bias(y))).tanh().view(-1,1,28,28)
    return ConditionalGenerator


@right('5.1', 'zero-initialised codes', 'embedding begins at zero, learns later? classes equal at the start but gradient flows')
def _():
    class ConditionalGenerator(nn.Module):
        def __init__(self,latent_dim=64,num_classes=10,hidden_dim=256):
            super().__init__(); self.mlp=nn.ModuleList([nn.Sequential(nn.Linear(latent_dim,hidden_dim//4),nn.ReLU(),nn.Linear(hidden_dim//4,784),nn.Tanh()) for _ in range(num_classes)])
        def forward(self,z,y): return torch.stack([self.mlp[int(k)](row) for row,k in zip(z,y)]).view(-1,1,28,28)
    return ConditionalGenerator


@right('5.2', 'conv sn label planes', 'conv D with embedding plane and spectral norm')
def _():
    class ConditionalDiscriminator(nn.Module):
        def __init__(self,num_classes=10,hidden_dim=256):
            super().__init__(); sn=PZ.spectral_norm; self.e=nn.Embedding(num_classes,784); self.c=sn(nn.Conv2d(2,16,4,2,1)); self.h=sn(nn.Linear(16*196,hidden_dim)); self.o=sn(nn.Linear(hidden_dim,1))
        def forward(self,x,y): return self.o(F.leaky_relu(self.h(F.leaky_relu(self.c(torch.cat([x,self.e(y).view_as(x)],1)),.2).flatten(1)),.2))[:,0]
    return ConditionalDiscriminator


@right('5.2', 'kernel per class', 'bmm with class matrices')
def _():
    class ConditionalDiscriminator(nn.Module):
        def __init__(self,num_classes=10,hidden_dim=256):
            super().__init__(); self.W=nn.Parameter(torch.randn(num_classes,784,16)/28); self.h=nn.Linear(16,hidden_dim); self.o=nn.Linear(hidden_dim,1)
        def forward(self,x,y): return self.o(F.leaky_relu(self.h(torch.einsum("nd,ndk->nk",x.flatten(1),self.W[y])),.2)).squeeze(1)
    return ConditionalDiscriminator
