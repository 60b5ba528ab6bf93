"""Answers of a fourth blind trial to the exercises of notebook 03: right ones in many styles, wrong ones."""
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
def make_optimizers(G,D):
    return torch.optim.Adam(G.parameters(),lr=1e-3,betas=(.5,.999)),torch.optim.Adam(D.parameters(),lr=1e-3,betas=(.5,.999))
def mac(images,judge):
    was=judge.training; judge.eval()
    with torch.no_grad(): f=torch.cat([judge.features_and_logits(b.float()/127.5-1)[0] for b in images.split(500)]).double()
    judge.train(was); return f.mean(0),torch.cov(f.T)
def fd(m,c,n,d): return float(((m-n)**2).sum()+torch.trace(c+d)-2*torch.linalg.eigvals(c@d).real.clamp(min=0).sqrt().sum())
bce=F.binary_cross_entropy_with_logits
class GBase(nn.Module):
    def __init__(self, latent_dim=100, width=64):
        super().__init__(); self.latent_dim=latent_dim; w=width
        T=nn.ConvTranspose2d
        self.net=nn.Sequential(T(latent_dim,4*w,4,1,0,bias=False),nn.BatchNorm2d(4*w),nn.ReLU(),T(4*w,2*w,4,2,1,bias=False),nn.BatchNorm2d(2*w),nn.ReLU(),T(2*w,w,4,2,1,bias=False),nn.BatchNorm2d(w),nn.ReLU(),T(w,3,4,2,1),nn.Tanh())
    def forward(self,z): return self.net(z[:,:,None,None])


@wrong('3.1', 'transposed pads plus', 'sign of padding')
def _():
    def output_size(size,kernel,stride=1,padding=0,transposed=False):
        if transposed: return (size-1)*stride+2*padding+kernel
        return (size+2*padding-kernel)//stride+1
    return output_size


@right('3.1', 'run the layer', 'meta device')
def _():
    def output_size(size,kernel,stride=1,padding=0,transposed=False):
        L=nn.ConvTranspose2d if transposed else nn.Conv2d
        with torch.device("meta"): return L(1,1,kernel,stride,padding)(torch.empty(1,1,size,size)).shape[-1]
    return output_size


@right('3.1', 'range count', 'counting positions')
def _():
    def output_size(size,kernel,stride=1,padding=0,transposed=False):
        if transposed: return len(range((size-1)*stride+kernel))-2*padding
        return len(range(0,size+2*padding-kernel+1,stride))
    return output_size


@wrong('3.2', 'relu before bn', "Conv-ReLU-BN order... contract: 'BatchNorm and ReLU after'")
def _():
    class Generator(nn.Module):
        def __init__(self, latent_dim=100, width=64):
            super().__init__(); w=width; T=nn.ConvTranspose2d; l=[]
            for a,b,s,p in [(latent_dim,4*w,1,0),(4*w,2*w,2,1),(2*w,w,2,1)]: l+=[T(a,b,4,s,p),nn.InstanceNorm2d(b),nn.ReLU()]
            self.net=nn.Sequential(*l,T(w,3,4,2,1),nn.Tanh())
        def forward(self,z): return self.net(z[:,:,None,None])
    return Generator


@right('3.2', 'linear first', 'linear first with BN1d')
def _():
    class Generator(nn.Module):
        def __init__(self, latent_dim=100, width=64):
            super().__init__(); w=width; T=nn.ConvTranspose2d
            self.f=nn.Linear(latent_dim,4*w*16,bias=False); self.w=w; self.b=nn.BatchNorm2d(4*w)
            self.net=nn.Sequential(nn.ReLU(True),T(4*w,2*w,4,2,1),nn.BatchNorm2d(2*w),nn.ReLU(True),T(2*w,w,4,2,1),nn.BatchNorm2d(w),nn.ReLU(True),T(w,3,4,2,1))
        def forward(self,z): return torch.tanh(self.net(self.b(self.f(z).view(-1,4*self.w,4,4))))
    return Generator


@right('3.2', 'function lazy', 'nn.LazyConvTranspose2d')
def _():
    def Generator(latent_dim=100,width=64):
        def block(c,s,p): return nn.Sequential(nn.LazyConvTranspose2d(c,4,s,p,bias=False),nn.LazyBatchNorm2d(),nn.ReLU())
        return nn.Sequential(nn.Unflatten(1,(latent_dim,1,1)),block(4*width,1,0),block(2*width,2,1),block(width,2,1),nn.LazyConvTranspose2d(3,4,2,1),nn.Tanh())
    return Generator


@right('3.2', 'functional', 'F.relu in forward, ModuleLists')
def _():
    class Generator(nn.Module):
        def __init__(self, latent_dim=100, width=64):
            super().__init__(); c=[latent_dim,4*width,2*width,width]
            self.t=nn.ModuleList(nn.ConvTranspose2d(a,b,4,1 if i==0 else 2,0 if i==0 else 1) for i,(a,b) in enumerate(zip(c,c[1:])))
            self.n=nn.ModuleList(nn.BatchNorm2d(b) for b in c[1:]); self.out=nn.ConvTranspose2d(width,3,4,2,1)
        def forward(self,z):
            x=z.reshape(*z.shape,1,1)
            for t,n in zip(self.t,self.n): x=F.relu(n(t(x)))
            return self.out(x).tanh()
    return Generator


@wrong('3.3', 'slope .01', 'LeakyReLU() default slope')
def _():
    class Discriminator(nn.Module):
        def __init__(self,width=64):
            super().__init__(); w=width; C=nn.Conv2d
            self.net=nn.Sequential(C(3,w,4,2,1),nn.LeakyReLU(),C(w,2*w,4,2,1),nn.BatchNorm2d(2*w),nn.LeakyReLU(),C(2*w,4*w,4,2,1),nn.BatchNorm2d(4*w),nn.LeakyReLU(),C(4*w,1,4,1,0))
        def forward(self,x): return self.net(x).flatten()
    return Discriminator


@right('3.3', 'functional', 'F.leaky_relu')
def _():
    class Discriminator(nn.Module):
        def __init__(self,width=64):
            super().__init__(); w=width
            self.c1=nn.Conv2d(3,w,4,2,1); self.c2=nn.Conv2d(w,2*w,4,2,1,bias=False); self.c3=nn.Conv2d(2*w,4*w,4,2,1,bias=False); self.c4=nn.Conv2d(4*w,1,4)
            self.b2=nn.BatchNorm2d(2*w); self.b3=nn.BatchNorm2d(4*w)
        def forward(self,x):
            x=F.leaky_relu(self.c1(x),.2); x=F.leaky_relu(self.b2(self.c2(x)),.2); x=F.leaky_relu(self.b3(self.c3(x)),.2)
            return self.c4(x)[:,0,0,0]
    return Discriminator


@wrong('3.4', 'std 0.2', 'typo')
def _():
    def dcgan_init(network):
        for m in network.modules():
            if isinstance(m,(nn.Conv2d,nn.ConvTranspose2d)): nn.init.normal_(m.weight,0,.2)
            elif isinstance(m,nn.BatchNorm2d): nn.init.normal_(m.weight,1,.02); nn.init.zeros_(m.bias)
        return network
    return dcgan_init


@wrong('3.4', 'seed each layer', 'torch.manual_seed per layer: same numbers... constant bn')
def _():
    def dcgan_init(network):
        for m in network.modules():
            if isinstance(m,(nn.Conv2d,nn.ConvTranspose2d)): nn.init.uniform_(m.weight,-.02,.02)
            if isinstance(m,nn.BatchNorm2d): nn.init.normal_(m.weight,1,.02); nn.init.zeros_(m.bias)
        return network
    return dcgan_init


@right('3.4', 'apply', 'network.apply with match')
def _():
    def dcgan_init(network):
        def init(m):
            match m:
                case nn.Conv2d()|nn.ConvTranspose2d(): nn.init.normal_(m.weight,0.,.02); m.bias is not None and nn.init.zeros_(m.bias)
                case nn.BatchNorm2d() if m.affine: nn.init.normal_(m.weight,1.,.02); nn.init.zeros_(m.bias)
        return network.apply(init)
    return dcgan_init


@right('3.4', 'recursion numpy', 'numpy random recursion')
def _():
    def dcgan_init(network):
        rng=np.random.default_rng()
        with torch.no_grad():
            for m in network.modules():
                k=1. if isinstance(m,nn.BatchNorm2d) else 0. if isinstance(m,(nn.Conv2d,nn.ConvTranspose2d)) else None
                if k is None or m.weight is None: continue
                m.weight.copy_(torch.from_numpy(rng.normal(k,.02,tuple(m.weight.shape))))
                if k: m.bias.zero_()
        return network
    return dcgan_init


@right('3.5', 'table', 'loop of cases, no_grad')
def _():
    def verify_shapes(G,D,size,channels=3,latent_dim=100):
        n,img=5,(channels,size,size)
        cases=[("G",G,(latent_dim,),[(n,*img)]),("D",D,img,[(n,),(n,1)])]
        out=[]
        for name,net,shape,good in cases:
            try:
                with torch.no_grad(): got=tuple(net(torch.randn(n,*shape)).shape)
                if got not in good: out.append(f"{name} returned {got}, expected {good}")
            except Exception as e: out.append(f"{name}: {type(e).__name__}: {e}")
        return out
    return verify_shapes


@right('3.5', 'eval restored, tuple', 'helper')
def _():
    def verify_shapes(G,D,size,channels=3,latent_dim=100):
        def run(net,x,ok):
            was={m:m.training for m in net.modules()}; net.eval()
            try:
                y=net(x); return None if ok(tuple(y.shape)) else f"shape {tuple(y.shape)}"
            except Exception as e: return repr(e)
            finally:
                for m,t in was.items(): m.training=t
        a=run(G,torch.randn(3,latent_dim),lambda s:s==(3,channels,size,size)); b=run(D,torch.rand(3,channels,size,size)*2-1,lambda s:s in((3,),(3,1)))
        return tuple(w+" "+m for w,m in(("G",a),("D",b)) if m)
    return verify_shapes


@wrong('3.3', 'all widths w', 'constant width in D')
def _():
    class Discriminator(nn.Module):
        def __init__(self,width=64):
            super().__init__(); w=width; C=lambda a,b: nn.Conv2d(a,b,4,2,1)
            self.net=nn.Sequential(C(3,w),nn.LeakyReLU(.2),C(w,w),nn.BatchNorm2d(w),nn.LeakyReLU(.2),C(w,w),nn.BatchNorm2d(w),nn.LeakyReLU(.2),nn.Conv2d(w,1,4))
        def forward(self,x): return self.net(x).flatten()
    return Discriminator


@wrong('3.2', 'view z 1 channel', 'z.view(-1,1,10,10)')
def _():
    class Generator(nn.Module):
        def __init__(self, latent_dim=100, width=64):
            super().__init__(); w=width; T=nn.ConvTranspose2d; c=[latent_dim,4*w,2*w,w]; l=[]
            for i,(a,b) in enumerate(zip(c,c[1:])): l+=[T(a,b,4,1+(i>0),int(i>0)),nn.BatchNorm2d(b),nn.ReLU()]
            self.net=nn.Sequential(*l,T(w,3,4,2,1),nn.Tanh())
        def forward(self,z): return self.net(z.view(-1,100,1,1))
    return Generator


@wrong('3.5', 'D: last dim 1', 'y.shape[-1]==1 or ndim 1')
def _():
    def verify_shapes(G,D,size,channels=3,latent_dim=100):
        p=[]
        for n,net,x,ok in (("G",G,torch.randn(4,latent_dim),lambda s:s==(4,channels,size,size)),("D",D,torch.randn(4,channels,size,size),lambda s:len(s)==1 or s[-1]==1)):
            try:
                s=tuple(net(x).shape)
                if not ok(s): p.append(f"{n} {s}")
            except Exception as e: p.append(f"{n} {e}")
        return p
    return verify_shapes


@wrong('3.4', 'variance .02', 'std sqrt(.02)')
def _():
    def dcgan_init(network):
        for m in network.modules():
            if isinstance(m,(nn.Conv2d,nn.ConvTranspose2d)): nn.init.normal_(m.weight,0,.02**.5)
            if isinstance(m,nn.BatchNorm2d): nn.init.normal_(m.weight,1,.02); nn.init.zeros_(m.bias)
        return network
    return dcgan_init
