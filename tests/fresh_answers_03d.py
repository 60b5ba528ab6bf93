"""Answers of a third blind trial to the exercises of notebook 03: right ones in many styles, wrong ones."""
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


@wrong('3.1', 'round', 'rounds to nearest')
def _():
    def output_size(size,kernel,stride=1,padding=0,transposed=False):
        if transposed: return (size-1)*stride-2*padding+kernel
        return round((size+2*padding-kernel)/stride)+1
    return output_size


@wrong('3.1', 'output_padding', 'adds stride-1 as output padding')
def _():
    def output_size(size,kernel,stride=1,padding=0,transposed=False):
        if transposed: return (size-1)*stride-2*padding+kernel+(stride-1)
        return (size+2*padding-kernel)//stride+1
    return output_size


@right('3.1', 'run a real layer on meta', 'count by running on meta device')
def _():
    def output_size(size,kernel,stride=1,padding=0,transposed=False):
        L=nn.ConvTranspose2d if transposed else nn.Conv2d
        return L(1,1,kernel,stride,padding,device="meta")(torch.empty(1,1,size,size,device="meta")).shape[-1]
    return output_size


@wrong('3.2', '64 model', 'extra layer to 64x64')
def _():
    class Generator(nn.Module):
        def __init__(self,latent_dim=100,width=64):
            super().__init__(); c=[latent_dim,8*width,4*width,2*width,width]; l=[]
            for i in range(4): l+=[nn.ConvTranspose2d(c[i],c[i+1],4,1 if i==0 else 2,0 if i==0 else 1),nn.BatchNorm2d(c[i+1]),nn.ReLU()]
            self.net=nn.Sequential(*l,nn.ConvTranspose2d(width,3,4,2,1),nn.Tanh())
        def forward(self,z): return self.net(z[:,:,None,None])
    return Generator


@wrong('3.2', 'kernel 5 op1', '5x5 kernels with output_padding as in the original code')
def _():
    class Generator(nn.Module):
        def __init__(self,latent_dim=100,width=64):
            super().__init__(); c=[latent_dim,4*width,2*width,width]; l=[]
            for i in range(3): l+=[nn.ConvTranspose2d(c[i],c[i+1],4,1,0) if i==0 else nn.ConvTranspose2d(c[i],c[i+1],5,2,2,1),nn.BatchNorm2d(c[i+1]),nn.ReLU()]
            self.net=nn.Sequential(*l,nn.ConvTranspose2d(width,3,5,2,2,1),nn.Tanh())
        def forward(self,z): return self.net(z.view(len(z),-1,1,1))
    return Generator


@right('3.2', 'modulelist functional', 'functional relu, ModuleDict')
def _():
    class Generator(nn.Module):
        def __init__(self,latent_dim=100,width=64):
            super().__init__(); c=[latent_dim]+[width*k for k in (4,2,1)]; self.up=nn.ModuleList(); self.bn=nn.ModuleDict()
            for i,(a,b) in enumerate(zip(c,c[1:])):
                self.up.append(nn.ConvTranspose2d(a,b,4,stride=1+(i>0),padding=int(i>0),bias=False)); self.bn[str(i)]=nn.BatchNorm2d(b)
            self.rgb=nn.ConvTranspose2d(width,3,(4,4),(2,2),(1,1))
        def forward(self,z):
            x=torch.einsum("nc,hw->nchw",z,torch.ones(1,1,device=z.device))
            for i,u in enumerate(self.up): x=torch.clamp_min(self.bn[str(i)](u(x)),0)
            return torch.tanh(self.rgb(x))
    return Generator


@right('3.2', 'lazy linear first', 'linear first layer + lazy BN')
def _():
    class Generator(nn.Module):
        def __init__(self,latent_dim=100,width=64):
            super().__init__(); w=width
            up=lambda a,b: nn.Sequential(nn.ConvTranspose2d(a,b,4,2,1),nn.BatchNorm2d(b),nn.ReLU(True))
            self.first=nn.Sequential(nn.Linear(latent_dim,4*w*16),nn.Unflatten(1,(4*w,4,4)),nn.BatchNorm2d(4*w),nn.ReLU())
            self.rest=nn.Sequential(up(4*w,2*w),up(2*w,w),nn.ConvTranspose2d(w,3,4,2,1),nn.Tanh())
        def forward(self,z): return self.rest(self.first(z))
    return Generator


@wrong('3.3', 'last leaky', 'LeakyReLU after the last conv')
def _():
    class Discriminator(nn.Module):
        def __init__(self,width=64):
            super().__init__(); c=[3,width,2*width,4*width]; l=[]
            for i,(a,b) in enumerate(zip(c,c[1:])): l+=[nn.Conv2d(a,b,4,2,1),nn.BatchNorm2d(b) if i else nn.Identity(),nn.LeakyReLU(.2)]
            self.net=nn.Sequential(*l,nn.Conv2d(c[-1],1,4),nn.LeakyReLU(.2),nn.Flatten(0))
        def forward(self,x): return self.net(x)
    return Discriminator


@wrong('3.3', 'stride 1 + avgpool', 'conv stride 1 and avg pooling')
def _():
    class Discriminator(nn.Module):
        def __init__(self,width=64):
            super().__init__(); c=[3,width,2*width,4*width]; l=[]
            for i,(a,b) in enumerate(zip(c,c[1:])): l+=[nn.Conv2d(a,b,3,1,1),nn.BatchNorm2d(b) if i else nn.Identity(),nn.LeakyReLU(.2),nn.AvgPool2d(2)]
            self.net=nn.Sequential(*l,nn.Conv2d(c[-1],1,4),nn.Flatten(0))
        def forward(self,x): return self.net(x)
    return Discriminator


@right('3.3', 'linear last with amax', 'functional, linear last, leaky as maximum')
def _():
    class Discriminator(nn.Module):
        def __init__(self,width=64):
            super().__init__(); self.c=nn.ModuleList(nn.Conv2d(a,b,4,2,1,bias=False) for a,b in ((3,width),(width,2*width),(2*width,4*width)))
            self.n=nn.ModuleList([nn.Identity(),nn.BatchNorm2d(2*width),nn.BatchNorm2d(4*width)]); self.o=nn.Linear(4*width*16,1,bias=False)
        def forward(self,x):
            for c,n in zip(self.c,self.n):
                h=n(c(x)); x=torch.maximum(h,.2*h)
            return self.o(x.reshape(x.shape[0],-1)).squeeze(-1)
    return Discriminator


@right('3.3', 'spectral norm lazies', 'LazyConv2d, built by a function, dummy run in eval')
def _():
    def Discriminator(width=64):
        parts=[nn.LazyConv2d(width,4,2,1),nn.LeakyReLU(.2)]
        for k in (2,4): parts+= [nn.LazyConv2d(k*width,4,2,1,bias=False),nn.LazyBatchNorm2d(),nn.LeakyReLU(negative_slope=.2,inplace=True)]
        net=nn.Sequential(*parts,nn.LazyConv2d(1,4,1,0),nn.Flatten()); 
        with torch.no_grad(): net.eval()(torch.zeros(2,3,32,32))
        return net.train()
    return Discriminator


@wrong('3.4', 'torch.randn*.02+... variance', 'std = sqrt(.02)')
def _():
    def dcgan_init(network):
        for m in network.modules():
            if isinstance(m,(nn.Conv2d,nn.ConvTranspose2d)): m.weight.data=torch.randn_like(m.weight)*.02**.5
            elif isinstance(m,nn.BatchNorm2d): m.weight.data=1+torch.randn_like(m.weight)*.02**.5; m.bias.data.zero_()
        return network
    return dcgan_init


@wrong('3.4', 'one draw for all', 'one filter drawn, copied to all filters')
def _():
    def dcgan_init(network):
        for m in network.modules():
            if isinstance(m,(nn.Conv2d,nn.ConvTranspose2d)):
                with torch.no_grad(): m.weight.copy_(.02*torch.randn_like(m.weight[:1]).expand_as(m.weight))
            elif isinstance(m,nn.BatchNorm2d): nn.init.normal_(m.weight,1,.02); nn.init.zeros_(m.bias)
        return network
    return dcgan_init


@wrong('3.4', 'uniform', 'uniform(-.02,.02)')
def _():
    def dcgan_init(network):
        for m in network.modules():
            if isinstance(m,(nn.Conv2d,nn.ConvTranspose2d)): nn.init.uniform_(m.weight,-.02,.02)
            elif isinstance(m,nn.BatchNorm2d): nn.init.normal_(m.weight,1,.02); nn.init.zeros_(m.bias)
        return network
    return dcgan_init


@right('3.4', 'singledispatch', 'functools.singledispatch, recursive children')
def _():
    def dcgan_init(network):
        @functools.singledispatch
        def init(m): pass
        @init.register(nn.Conv2d)
        @init.register(nn.ConvTranspose2d)
        def _(m): m.weight.data.normal_(std=.02)
        @init.register
        def _(m: nn.BatchNorm2d): m.weight.data.copy_(torch.randn(m.num_features)*.02+1); m.bias.data.fill_(0)
        def walk(m):
            init(m)
            for c in m.children(): walk(c)
        walk(network); return network
    return dcgan_init


@right('3.4', 'match statement', 'affine checked')
def _():
    def dcgan_init(network):
        with torch.no_grad():
            for m in network.modules():
                match m:
                    case nn.Conv2d() | nn.ConvTranspose2d(): torch.nn.init.trunc_normal_ and m.weight.normal_(0.0,0.02)
                    case nn.BatchNorm2d(affine=True): m.weight.normal_(1.0,.02), m.bias.mul_(0)
        return network
    return dcgan_init


@wrong('3.5', 'batch of one', 'N=1: a D which averages over the batch slips through')
def _():
    def verify_shapes(G,D,size,channels=3,latent_dim=100):
        p=[]; g,d=G.training,D.training; G.eval(); D.eval()
        for n,f,ok in (("G",lambda: G(torch.randn(1,latent_dim)),lambda o:o.shape==(1,channels,size,size)),("D",lambda: D(torch.randn(1,channels,size,size)),lambda o:o.shape in((1,),(1,1)))):
            try:
                if not ok(f()): p.append(n+" bad")
            except Exception as e: p.append(f"{n} {e}")
        G.train(g); D.train(d); return p
    return verify_shapes


@wrong('3.5', 'eval left', 'eval, never back')
def _():
    def verify_shapes(G,D,size,channels=3,latent_dim=100):
        p=[]; G.eval(); D.eval()
        for n,f,ok in (("G",lambda: G(torch.randn(4,latent_dim)),lambda o:o.shape==(4,channels,size,size)),("D",lambda: D(torch.randn(4,channels,size,size)),lambda o:o.shape in((4,),(4,1)))):
            try:
                if not ok(f()): p.append(n+" bad")
            except Exception as e: p.append(f"{n} {e}")
        return p
    return verify_shapes


@wrong('3.5', 'string joined', 'returns one string')
def _():
    def verify_shapes(G,D,size,channels=3,latent_dim=100):
        p=[]
        for n,f,ok in (("G",lambda: G(torch.randn(4,latent_dim)),lambda o:o.shape==(4,channels,size,size)),("D",lambda: D(torch.randn(4,channels,size,size)),lambda o:o.shape in((4,),(4,1)))):
            try:
                if not ok(f()): p.append(n+" bad")
            except Exception as e: p.append(f"{n} {e}")
        return "\n".join(p)
    return verify_shapes


@right('3.5', 'contextmanager eval', 'context manager restoring the mode')
def _():
    def verify_shapes(G,D,size,channels=3,latent_dim=100):
        import contextlib
        @contextlib.contextmanager
        def evaluated(net):
            modes={m:m.training for m in net.modules()}
            try:
                with torch.no_grad(): yield net.eval()
            finally:
                for m,t in modes.items(): m.training=t
        def trial(letter,net,x,*shapes):
            try:
                with evaluated(net): got=tuple(net(x).shape)
            except Exception as e: return f"{letter}: {type(e).__name__}: {e}"
            return None if got in shapes else f"{letter} returns {got}"
        N=5
        return list(filter(None,(trial("G",G,torch.randn(N,latent_dim),(N,channels,size,size)),trial("D",D,torch.rand(N,channels,size,size)*2-1,(N,),(N,1)))))
    return verify_shapes


@right('3.5', 'generator tuple', 'tuple from a generator function with deep copies')
def _():
    def verify_shapes(G,D,size,channels=3,latent_dim=100):
        def problems(n=3):
            try: s=list(copy.deepcopy(G)(torch.zeros(n,latent_dim)).size())
            except Exception as e: yield "G fails, "+str(e)
            else:
                if s!=[n,channels,size,size]: yield f"G makes {s}"
            try: s=list(copy.deepcopy(D)(torch.zeros(n,channels,size,size)).size())
            except Exception as e: yield "D fails, "+str(e)
            else:
                if s not in ([n],[n,1]): yield f"D makes {s}"
        return tuple(problems())
    return verify_shapes


@wrong('3.4', 'normal_(w, .02)', 'mean .02, std 1')
def _():
    def dcgan_init(network):
        for m in network.modules():
            if isinstance(m,(nn.Conv2d,nn.ConvTranspose2d)): nn.init.normal_(m.weight,.02)
            elif isinstance(m,nn.BatchNorm2d): nn.init.normal_(m.weight,1,.02); nn.init.zeros_(m.bias)
        return network
    return dcgan_init


@wrong('3.4', 'copied over inputs', 'one slice copied over all input channels')
def _():
    def dcgan_init(network):
        for m in network.modules():
            if isinstance(m,(nn.Conv2d,nn.ConvTranspose2d)): m.weight.data.copy_((.02*torch.randn_like(m.weight[:,:1])).expand_as(m.weight))
            elif isinstance(m,nn.BatchNorm2d): nn.init.normal_(m.weight,1,.02); nn.init.zeros_(m.bias)
        return network
    return dcgan_init


@right('3.4', 'kaiming others', 'also initialises Linear and biases')
def _():
    def dcgan_init(network):
        for m in network.modules():
            if isinstance(m,(nn.Conv2d,nn.ConvTranspose2d)): nn.init.normal_(m.weight,0,.02)
            elif isinstance(m,nn.BatchNorm2d): nn.init.normal_(m.weight,1,.02); nn.init.zeros_(m.bias)
        for m in network.modules():
            if isinstance(m,nn.Linear): nn.init.xavier_normal_(m.weight)
            if isinstance(m,(nn.Conv2d,nn.ConvTranspose2d)) and m.bias is not None: nn.init.constant_(m.bias,0)
        return network
    return dcgan_init


@wrong('3.5', 'channels 3', '3 as a number for D')
def _():
    def verify_shapes(G,D,size,channels=3,latent_dim=100):
        p=[]; modes=G.training,D.training; G.eval(); D.eval()
        try:
            s=tuple(G(torch.randn(4,latent_dim)).shape)
            if s!=(4,channels,size,size): p.append(f"G {s}")
        except Exception as e: p.append(f"G {e}")
        try:
            s=tuple(D(torch.randn(4,3,size,size)).shape)
            if s not in ((4,),(4,1)): p.append(f"D {s}")
        except Exception as e: p.append(f"D {e}")
        G.train(modes[0]); D.train(modes[1]); return p
    return verify_shapes


@wrong('3.5', 'mode lost on error', "one try around everything: after G's error D is not tried")
def _():
    def verify_shapes(G,D,size,channels=3,latent_dim=100):
        p=[]; modes=G.training,D.training; G.eval(); D.eval()
        try:
            s=tuple(G(torch.randn(4,latent_dim)).shape)
            if s!=(4,channels,size,size): p.append(f"G {s}")
            s=tuple(D(torch.randn(4,channels,size,size)).shape)
            if s not in ((4,),(4,1)): p.append(f"D {s}")
        except Exception as e: p.append(f"G {e}")
        G.train(modes[0]); D.train(modes[1]); return p
    return verify_shapes


@wrong('3.5', 'tests one pixel larger', 'size+1 off by one for D')
def _():
    def verify_shapes(G,D,size,channels=3,latent_dim=100):
        p=[]; modes=G.training,D.training; G.eval(); D.eval()
        try:
            s=tuple(G(torch.randn(4,latent_dim)).shape)
            if s!=(4,channels,size,size): p.append(f"G {s}")
        except Exception as e: p.append(f"G {e}")
        try:
            s=tuple(D(torch.randn(4,channels,size+1,size+1)).shape)
            if s not in ((4,),(4,1)): p.append(f"D {s}")
        except Exception as e: p.append(f"D {e}")
        G.train(modes[0]); D.train(modes[1]); return p
    return verify_shapes


@wrong('3.5', "G's error swallowed", 'except: pass')
def _():
    def verify_shapes(G,D,size,channels=3,latent_dim=100):
        p=[]; modes=G.training,D.training; G.eval(); D.eval()
        try:
            s=tuple(G(torch.randn(4,latent_dim)).shape)
            if s!=(4,channels,size,size): p.append(f"G {s}")
        except Exception: pass
        try:
            s=tuple(D(torch.randn(4,channels,size,size)).shape)
            if s not in ((4,),(4,1)): p.append(f"D {s}")
        except Exception as e: p.append(f"D {e}")
        G.train(modes[0]); D.train(modes[1]); return p
    return verify_shapes


@wrong('3.5', 'default p shared', "D's shape of 1 row accepted")
def _():
    def verify_shapes(G,D,size,channels=3,latent_dim=100):
        p=[]; modes=G.training,D.training; G.eval(); D.eval()
        try:
            s=tuple(G(torch.randn(4,latent_dim)).shape)
            if s!=(4,channels,size,size): p.append(f"G {s}")
        except Exception as e: p.append(f"G {e}")
        try:
            s=tuple(D(torch.randn(4,channels,size,size)).shape)
            if s not in ((4,),(4,1),(1,),(1,1)): p.append(f"D {s}")
        except Exception as e: p.append(f"D {e}")
        G.train(modes[0]); D.train(modes[1]); return p
    return verify_shapes


@wrong('3.5', 'weights changed', 'runs a training step as smoke test: weights move')
def _():
    def verify_shapes(G,D,size,channels=3,latent_dim=100):
        p=[]; modes=G.training,D.training; G.eval(); D.eval()
        try:
            s=tuple(G(torch.randn(4,latent_dim)).shape)
            if s!=(4,channels,size,size): p.append(f"G {s}")
        except Exception as e: p.append(f"G {e}")
        try:
            s=tuple(D(torch.randn(4,channels,size,size)).shape)
            if s not in ((4,),(4,1)): p.append(f"D {s}")
        except Exception as e: p.append(f"D {e}")
        for q in list(G.parameters())+list(D.parameters()): q.data.mul_(1.0001)
        G.train(modes[0]); D.train(modes[1]); return p
    return verify_shapes


@wrong('3.5', 'grads off', 'requires_grad_(False) left')
def _():
    def verify_shapes(G,D,size,channels=3,latent_dim=100):
        p=[]; modes=G.training,D.training; G.eval().requires_grad_(False); D.eval().requires_grad_(False)
        try:
            s=tuple(G(torch.randn(4,latent_dim)).shape)
            if s!=(4,channels,size,size): p.append(f"G {s}")
        except Exception as e: p.append(f"G {e}")
        try:
            s=tuple(D(torch.randn(4,channels,size,size)).shape)
            if s not in ((4,),(4,1)): p.append(f"D {s}")
        except Exception as e: p.append(f"D {e}")
        G.train(modes[0]); D.train(modes[1]); return p
    return verify_shapes


@right('3.3', 'bn momentum, prelu-free', 'F.leaky_relu with -0.2 via where; bn eps default, momentum .2')
def _():
    class Discriminator(nn.Module):
        def __init__(self,width=64):
            super().__init__(); ch=np.array([1,2,4])*width; ch=ch.tolist(); self.convs=nn.ModuleList([nn.Conv2d(i,o,(4,4),2,padding=1) for i,o in zip([3]+ch,ch)]); self.norms=nn.ModuleList([nn.BatchNorm2d(c,momentum=.2) for c in ch[1:]]); self.out=nn.Conv2d(ch[-1],1,4)
        def forward(self,x):
            act=lambda t: torch.where(t>=0,t,t*.2); h=act(self.convs[0](x))
            for c,n in zip(self.convs[1:],self.norms): h=act(n(c(h)))
            return self.out(h).view(x.size(0),1)
    return Discriminator


@right('3.2', 'sync batches', 'channels_last, class method builder')
def _():
    class Generator(nn.Module):
        @classmethod
        def block(cls,i,o,first=False): return [nn.ConvTranspose2d(i,o,4,*((1,0) if first else (2,1)),bias=False),nn.BatchNorm2d(o),nn.ReLU(inplace=True)]
        def __init__(self,latent_dim=100,width=64):
            super().__init__(); w=width; self.body=nn.Sequential(*self.block(latent_dim,4*w,True),*self.block(4*w,2*w),*self.block(2*w,w)); self.head=nn.ConvTranspose2d(w,3,kernel_size=4,stride=2,padding=1)
        def forward(self,z): return self.head(self.body(z.reshape(*z.shape,1,1))).tanh().contiguous(memory_format=torch.channels_last)
    return Generator
