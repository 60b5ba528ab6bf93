"""Answers of a fourth blind trial to the exercises of notebook 02: right ones in many styles, wrong ones."""
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


@wrong('2.1', 'softmax out', 'softmax over pixels')
def _():
    class Generator(nn.Module):
        def __init__(self, latent_dim=64, hidden_dim=256):
            super().__init__(); self.net=nn.Sequential(nn.Linear(latent_dim,hidden_dim),nn.ReLU(),nn.Linear(hidden_dim,784),nn.Softmax(1))
        def forward(self,z): return self.net(z).view(-1,1,28,28)
    return Generator


@wrong('2.1', 'detach inside', 'forward under no_grad')
def _():
    class Generator(nn.Module):
        def __init__(self, latent_dim=64, hidden_dim=256):
            super().__init__(); self.net=nn.Sequential(nn.Linear(latent_dim,hidden_dim),nn.ReLU(),nn.Linear(hidden_dim,784),nn.Tanh())
        @torch.no_grad()
        def forward(self,z): return self.net(z).view(-1,1,28,28)
    return Generator


@right('2.1', 'lazy+unflatten', 'function')
def _():
    def Generator(latent_dim=64, hidden_dim=256):
        return nn.Sequential(nn.LazyLinear(hidden_dim),nn.GELU(),nn.LazyLinear(hidden_dim),nn.SiLU(),nn.LazyLinear(784),nn.Unflatten(1,(1,28,28)),nn.Tanh())
    return Generator


@right('2.1', 'raw parameters', 'nn.Parameter matrices and erf out')
def _():
    class Generator(nn.Module):
        def __init__(self, latent_dim=64, hidden_dim=256):
            super().__init__()
            self.w1=nn.Parameter(torch.randn(latent_dim,hidden_dim)/latent_dim**.5); self.b1=nn.Parameter(torch.zeros(hidden_dim))
            self.w2=nn.Parameter(torch.randn(hidden_dim,784)/hidden_dim**.5); self.b2=nn.Parameter(torch.zeros(784))
        def forward(self,z): return torch.erf(torch.relu(z@self.w1+self.b1)@self.w2+self.b2).reshape(len(z),1,28,28)
    return Generator


@right('2.1', 'modulelist residual bn', 'residual blocks, 2*sigmoid-1')
def _():
    class Generator(nn.Module):
        def __init__(self, latent_dim=64, hidden_dim=256):
            super().__init__()
            self.i=nn.Linear(latent_dim,hidden_dim)
            self.blocks=nn.ModuleList([nn.Sequential(nn.BatchNorm1d(hidden_dim),nn.ReLU(),nn.Linear(hidden_dim,hidden_dim)) for _ in range(3)])
            self.o=nn.Linear(hidden_dim,28*28)
        def forward(self,z):
            x=self.i(z)
            for b in self.blocks: x=x+b(x)
            return 2*torch.sigmoid(self.o(F.relu(x))).unflatten(1,(1,28,28))-1
    return Generator


@wrong('2.2', 'logsigmoid', 'log probability, always <0')
def _():
    class Discriminator(nn.Module):
        def __init__(self,hidden_dim=256):
            super().__init__(); self.net=nn.Sequential(nn.Flatten(),nn.Linear(784,hidden_dim),nn.LeakyReLU(.2),nn.Linear(hidden_dim,1))
        def forward(self,x): return F.logsigmoid(self.net(x)).squeeze(1)
    return Discriminator


@right('2.2', 'spectral norm', 'spectral norm on all layers')
def _():
    from torch.nn.utils.parametrizations import spectral_norm as sn
    class Discriminator(nn.Module):
        def __init__(self,hidden_dim=256):
            super().__init__(); self.net=nn.Sequential(nn.Flatten(),sn(nn.Linear(784,hidden_dim)),nn.LeakyReLU(.2),sn(nn.Linear(hidden_dim,hidden_dim)),nn.LeakyReLU(.2),sn(nn.Linear(hidden_dim,1)))
        def forward(self,x): return self.net(x)
    return Discriminator


@right('2.2', 'conv1d-ish', 'convs then sum pool')
def _():
    class Discriminator(nn.Module):
        def __init__(self,hidden_dim=256):
            super().__init__(); self.c=nn.Conv2d(1,16,4,2,1); self.l=nn.LazyLinear(hidden_dim); self.o=nn.Linear(hidden_dim,1); self.drop=nn.Dropout(.3)
        def forward(self,x): return self.o(self.drop(F.elu(self.l(F.leaky_relu(self.c(x),.2).flatten(1)))))[:,0]
    return Discriminator


@right('2.2', 'maxout', 'maxout units as in Goodfellow 2014')
def _():
    class Discriminator(nn.Module):
        def __init__(self,hidden_dim=256,pieces=3):
            super().__init__(); self.k=pieces; self.a=nn.Linear(784,hidden_dim*pieces); self.o=nn.Linear(hidden_dim,1,bias=False)
        def forward(self,x): return self.o(self.a(x.flatten(1)).unflatten(1,(-1,self.k)).amax(2)).squeeze(-1)
    return Discriminator


@wrong('2.3', 'amsgrad wd', 'weight decay 1e-4 extra')
def _():
    def make_optimizers(G,D): return [torch.optim.Adam(m.parameters(),lr=1e-3,betas=(.5,.999),weight_decay=1e-2) for m in (G,D)]
    return make_optimizers


@right('2.3', 'groups per layer', 'parameter groups')
def _():
    def make_optimizers(G,D):
        return tuple(torch.optim.Adam([{"params":[p]} for p in m.parameters()],lr=.001,betas=(.5,.999),foreach=False) for m in (G,D))
    return make_optimizers


@right('2.3', 'partial', 'functools')
def _():
    import functools
    def make_optimizers(G,D):
        mk=functools.partial(torch.optim.Adam,lr=1e-3,betas=(.5,.999)); return list(map(mk,(G.parameters(),D.parameters())))
    return make_optimizers


@wrong('2.4', 'return last term', "returns only the fake term's value")
def _():
    def d_step(G,D,d_optimizer,real,latent_dim=64):
        d_optimizer.zero_grad(); r=D(real); loss=bce(r,torch.ones_like(r)); loss.backward()
        f=D(G(torch.randn(len(real),latent_dim)).detach()); loss=bce(f,torch.zeros_like(f)); loss.backward(); d_optimizer.step()
        return loss.item()
    return d_step


@wrong('2.4', 'returns tensor', 'loss tensor with graph, not float')
def _():
    def d_step(G,D,d_optimizer,real,latent_dim=64):
        fake=G(torch.randn(len(real),latent_dim)).detach(); r,f=D(real),D(fake)
        loss=bce(r,torch.ones_like(r))+bce(f,torch.zeros_like(f)); d_optimizer.zero_grad(); loss.backward(); d_optimizer.step()
        return r.sigmoid().mean().item()+f.sigmoid().mean().item()
    return d_step


@right('2.4', 'autograd.grad', 'gradients set by hand')
def _():
    def d_step(G,D,d_optimizer,real,latent_dim=64):
        with torch.no_grad(): fake=G(torch.randn(real.shape[0],latent_dim))
        loss=F.softplus(-D(real)).mean()+F.softplus(D(fake)).mean()
        ps=[p for g in d_optimizer.param_groups for p in g["params"]]
        for p,g in zip(ps,torch.autograd.grad(loss,ps)): p.grad=g
        d_optimizer.step(); return float(loss)
    return d_step


@right('2.4', 'closure', 'optimizer.step(closure)')
def _():
    def d_step(G,D,d_optimizer,real,latent_dim=64):
        fake=G(torch.randn(len(real),latent_dim)).detach()
        def closure():
            d_optimizer.zero_grad(); logits=D(torch.cat([real,fake])).flatten()
            t=(torch.arange(len(logits))<len(real)).float(); l=2*bce(logits,t); l.backward(); return l
        return d_optimizer.step(closure).item()
    return d_step


@right('2.4', 'accumulated', 'two halves of the batch accumulated')
def _():
    def d_step(G,D,d_optimizer,real,latent_dim=64):
        d_optimizer.zero_grad(set_to_none=False); n=len(real); total=0.
        with torch.no_grad(): fake=G(torch.randn(n,latent_dim))
        for r,f in zip(real.split(max(1,n//2)),fake.split(max(1,n//2))):
            l=(F.softplus(-D(r)).sum()+F.softplus(D(f)).sum())/n; l.backward(); total+=l.item()
        d_optimizer.step(); return total
    return d_step


@right('2.4', 'two backwards', 'tutorial style')
def _():
    def d_step(G,D,d_optimizer,real,latent_dim=64):
        D.zero_grad(); o=D(real).view(-1); lab=torch.full((len(real),),1.); e=bce(o,lab); e.backward()
        fake=G(torch.randn(len(real),latent_dim)); lab.fill_(0.); o=D(fake.detach()).view(-1); e2=bce(o,lab); e2.backward(); d_optimizer.step(); return (e+e2).item()
    return d_step


@wrong('2.5', 'mean logit', 'bce of the mean logit')
def _():
    def g_step(G,D,g_optimizer,batch_size,latent_dim=64):
        f=D(G(torch.randn(batch_size,latent_dim))).mean(); l=F.softplus(-f); g_optimizer.zero_grad(); l.backward(); g_optimizer.step(); return l.item()
    return g_step


@right('2.5', 'frozen D via torch.func', 'functional_call with detached parameters')
def _():
    def g_step(G,D,g_optimizer,batch_size,latent_dim=64):
        state={k:v.detach() for k,v in D.named_parameters()}
        f=torch.func.functional_call(D,state,(G(torch.randn(batch_size,latent_dim)),))
        l=-F.logsigmoid(f).mean(); g_optimizer.zero_grad(); l.backward(); g_optimizer.step(); return l.item()
    return g_step


@right('2.5', 'context manager', 'freeze and restore')
def _():
    from contextlib import contextmanager
    @contextmanager
    def frozen(m):
        was=[p.requires_grad for p in m.parameters()]; m.requires_grad_(False)
        try: yield
        finally:
            for p,w in zip(m.parameters(),was): p.requires_grad_(w)
    def g_step(G,D,g_optimizer,batch_size,latent_dim=64):
        g_optimizer.zero_grad()
        with frozen(D):
            l=F.softplus(-D(G(torch.empty(batch_size,latent_dim).normal_()))).mean(); l.backward()
        g_optimizer.step(); return l.tolist()
    return g_step


@right('2.5', 'chain by hand', 'gradient on the images passed back')
def _():
    def g_step(G,D,g_optimizer,batch_size,latent_dim=64):
        x=G(torch.randn(batch_size,latent_dim)); y=x.detach().requires_grad_(); l=F.softplus(-D(y)).mean()
        gx,=torch.autograd.grad(l,y); g_optimizer.zero_grad(); x.backward(gx); g_optimizer.step(); return l.item()
    return g_step


@wrong('2.8', 'targets swapped', 'targets swapped between terms')
def _():
    def smooth_d_loss(real_logits,fake_logits,real_target=.9,fake_target=0.):
        return bce(real_logits,torch.full_like(real_logits,fake_target))+bce(fake_logits,torch.full_like(fake_logits,real_target))
    return smooth_d_loss


@right('2.8', 'softplus linear', 't-weighted')
def _():
    def smooth_d_loss(real_logits,fake_logits,real_target=.9,fake_target=0.):
        ce=lambda l,t:(F.softplus(l)-t*l).mean()
        return ce(real_logits,real_target)+ce(fake_logits,fake_target)
    return smooth_d_loss


@right('2.8', 'expand', 'expanded targets')
def _():
    def smooth_d_loss(real_logits,fake_logits,real_target=.9,fake_target=0.):
        return sum(bce(l,l.new_tensor(t).expand(l.shape)) for l,t in [(real_logits,real_target),(fake_logits,fake_target)])
    return smooth_d_loss


@wrong('2.7', 'x*255', 'negative wraps')
def _():
    def to_display(images): return torch.cat(list((images*255).to(torch.uint8)[:,0]),1)
    return to_display


@wrong('2.7', 'transposed images', 'each image transposed (W,H)')
def _():
    def to_display(images): return torch.cat([i[0].T for i in ((images+1)*127.5).round().to(torch.uint8)],1)
    return to_display


@right('2.7', 'numpy blocks', 'numpy pad 2')
def _():
    def to_display(images):
        a=np.rint((images.detach().cpu().numpy().clip(-1,1)+1)*127.5).astype(np.uint8); n,c,h,w=a.shape; k=math.ceil(math.sqrt(n))
        out=np.full((k*(h+2)+2,k*(w+2)+2,c),128,np.uint8)
        for i in range(n):
            r,s=divmod(i,k); out[2+r*(h+2):2+r*(h+2)+h,2+s*(w+2):2+s*(w+2)+w]=a[i].transpose(1,2,0)
        return out
    return to_display


@right('2.7', 'F.fold', 'by fold')
def _():
    def to_display(images):
        n,c,h,w=images.shape; k=math.ceil(n**.5); x=images.new_full((k*k,c,h,w),-1.); x[:n]=images
        g=F.fold(x.reshape(k*k,c*h*w).T[None],(k*h,k*w),(h,w),stride=(h,w))[0]
        return ((g.clamp(-1,1)+1)*127.5+.5).floor().to(torch.uint8).permute(1,2,0)
    return to_display


@right('2.7', 'column', 'one tall column, repeated to colour')
def _():
    def to_display(images):
        if images.shape[1]!=1: raise ValueError("grey only")
        x=images.detach().reshape(-1,28); return torch.round(x.add(1).div(2).mul(255)).byte()[...,None].repeat(1,1,3)
    return to_display


@wrong('2.6', 'optimizers unpacked swapped', 'do,go = optimizers')
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        do,go=optimizers or make_optimizers(G,D)[::-1]; h={"d_loss":[],"g_loss":[]}
        for s in range(steps):
            for _ in range(d_steps):
                real=dataset.take(torch.randint(len(dataset),(128,))); r,f=D(real),D(G(torch.randn(len(real),latent_dim)).detach())
                dl=bce(r,torch.ones_like(r))+bce(f,torch.zeros_like(f)); do.zero_grad(); dl.backward(); do.step()
            f=D(G(torch.randn(128,latent_dim))); gl=bce(f,torch.ones_like(f)); go.zero_grad(); gl.backward(); go.step()
            h["d_loss"].append(dl.item()); h["g_loss"].append(gl.item())
        return h
    return train_gan


@right('2.6', 'functions, permutation', 'epoch permutations, own steps')
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        go,do=optimizers if optimizers is not None else make_optimizers(G,D)
        def stream(b=100):
            while True:
                for i in torch.randperm(len(dataset)).split(b):
                    if len(i)>1: yield dataset.take(i)
        it=stream(); h={"d_loss":[],"g_loss":[]}
        def d(real):
            with torch.no_grad(): fake=G(torch.randn(len(real),latent_dim))
            do.zero_grad(); l=F.softplus(-D(real)).mean()+F.softplus(D(fake)).mean(); l.backward(); do.step(); return l.item()
        def g(n):
            go.zero_grad(); l=F.softplus(-D(G(torch.randn(n,latent_dim)))).mean(); l.backward(); go.step(); return l.item()
        for _ in range(steps):
            h["d_loss"].append([d(next(it)) for _ in range(d_steps)][-1]); h["g_loss"].append(g(64))
        return h
    return train_gan


@right('2.6', 'every D loss, no optimizers', 'one value for each D step, DataLoader')
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1):
        go,do=make_optimizers(G,D); h={"d_loss":[],"g_loss":[],"step":[]}
        for s in range(steps*d_steps):
            real=dataset.take(torch.randint(0,len(dataset),(256,)))
            logits=D(torch.cat([real,G(torch.randn(256,latent_dim)).detach()])).reshape(2,-1)
            l=bce(logits[0],torch.ones(256))+bce(logits[1],torch.zeros(256)); do.zero_grad(); l.backward(); do.step(); h["d_loss"].append(l.item())
            if (s+1)%d_steps==0:
                o=D(G(torch.randn(256,latent_dim))); l=bce(o,torch.ones_like(o)); go.zero_grad(); l.backward(); go.step(); h["g_loss"].append(l.item()); h["step"].append(s)
        return h
    return train_gan


@right('2.6', 'class trainer', 'small class, frozen D in the G half')
def _():
    class Trainer:
        def __init__(s,G,D,opt,k): s.G,s.D,s.k=G,D,k; s.go,s.do=opt
        def d(s,real):
            s.do.zero_grad(); f=s.G(torch.randn(len(real),s.k)).detach(); a=s.D(real); a=bce(a,torch.ones_like(a)); b=s.D(f); b=bce(b,torch.zeros_like(b)); a.backward(); b.backward(); s.do.step(); return float(a)+float(b)
        def g(s,n):
            s.D.requires_grad_(False); s.go.zero_grad(); l=-F.logsigmoid(s.D(s.G(torch.randn(n,s.k)))).mean(); l.backward(); s.go.step(); s.D.requires_grad_(True); return float(l)
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        t=Trainer(G,D,optimizers or make_optimizers(G,D),latent_dim); rng=np.random.default_rng(); out={"d_loss":[],"g_loss":[]}
        for _ in range(steps):
            for _ in range(d_steps): last=t.d(dataset.take(torch.from_numpy(rng.integers(0,len(dataset),32))))
            out["d_loss"].append(last); out["g_loss"].append(t.g(32))
        return out
    return train_gan


@wrong('2.11', 'fixed noise drawn in the if', 'manual seed in the loop at every snapshot')
def _():
    def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
        g_optimizer, d_optimizer = make_optimizers(G, D)
        history = {"d_loss": [], "g_loss": [], "snapshots": []}
        for step in range(steps):
            torch.manual_seed(0)
            real = dataset.take(torch.randint(len(dataset), (128,)))
            fake = G(torch.randn(128, latent_dim)).detach()
            d_optimizer.zero_grad()
            d_loss = F.softplus(-D(real)).mean() + F.softplus(D(fake)).mean(); d_loss.backward(); d_optimizer.step()
            g_optimizer.zero_grad(); s = D(G(torch.randn(128, latent_dim))); g_loss = bce(s, torch.ones_like(s)); g_loss.backward(); g_optimizer.step()
            history["d_loss"].append(d_loss.item()); history["g_loss"].append(g_loss.item())
            if step % snapshot_every == 0: history["snapshots"].append(G(torch.randn(16,latent_dim)).detach())
        return history
    return clinic


@right('2.11', 'rewritten', 'noise from own generator, snapshot before the update')
def _():
    def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
        go, do = make_optimizers(G, D); hist = dict(d_loss=[], g_loss=[], snapshots=[])
        fixed = torch.randn(16, latent_dim, generator=torch.Generator().manual_seed(7))
        for t in range(steps):
            if not t % snapshot_every:
                with torch.no_grad(): hist["snapshots"].append(G(fixed).clone())
            real = dataset.take(torch.randperm(len(dataset))[:128])
            do.zero_grad(); a = (F.softplus(-D(real)).mean() + F.softplus(D(G(torch.randn(128, latent_dim)).detach())).mean()); a.backward(); do.step()
            go.zero_grad(); b = F.softplus(-D(G(torch.randn(128, latent_dim)))).mean(); b.backward(); go.step()
            hist["d_loss"].append(float(a)); hist["g_loss"].append(float(b))
        return hist
    return clinic


@right('2.11', 'minimal repair', 'the four bugs repaired in place')
def _():
    def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
        g_optimizer, d_optimizer = make_optimizers(G, D)
        images = dataset.images / 127.5 - 1
        z16 = torch.randn(16, latent_dim)
        history = {"d_loss": [], "g_loss": [], "snapshots": []}
        for step in range(steps):
            real = images[torch.randint(len(images), (128,))]
            fake = G(torch.randn(128, latent_dim)).detach()
            real_says, fake_says = D(real), D(fake)
            d_loss = bce(real_says, torch.ones_like(real_says)) + bce(fake_says, torch.zeros_like(fake_says))
            d_optimizer.zero_grad(); d_loss.backward(); d_optimizer.step()
            g_optimizer.zero_grad()
            fake_says = D(G(torch.randn(128, latent_dim)))
            g_loss = bce(fake_says, torch.ones_like(fake_says)); g_loss.backward(); g_optimizer.step()
            history["d_loss"].append(d_loss.item()); history["g_loss"].append(g_loss.item())
            if step % snapshot_every == 0: history["snapshots"].append(G(z16).detach())
        return history
    return clinic


@wrong('2.8', 'half mse', '.5 mse')
def _():
    def smooth_d_loss(real_logits,fake_logits,real_target=.9,fake_target=0.):
        return .5*((real_logits.sigmoid()-real_target)**2).mean()+.5*((fake_logits.sigmoid()-fake_target)**2).mean()
    return smooth_d_loss


@wrong('2.6', 'early stopping', "break when D's loss is small")
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        go,do=optimizers or make_optimizers(G,D); h={"d_loss":[],"g_loss":[]}
        for s in range(steps):
            for _ in range(d_steps):
                real=dataset.take(torch.randint(len(dataset),(128,))); r,f=D(real),D(G(torch.randn(len(real),latent_dim)).detach())
                dl=bce(r,torch.ones_like(r))+bce(f,torch.zeros_like(f)); do.zero_grad(); dl.backward()
                nn.utils.clip_grad_norm_(D.parameters(),.1); do.step()
            f=D(G(torch.randn(128,latent_dim))); gl=bce(f,torch.ones_like(f)); go.zero_grad(); gl.backward(); go.step()
            h["d_loss"].append(dl.item()); h["g_loss"].append(gl.item())
        return h
    return train_gan


@wrong('2.4', 'weight clip', 'WGAN clipping kept from an old version')
def _():
    def d_step(G,D,d_optimizer,real,latent_dim=64):
        fake=G(torch.randn(len(real),latent_dim)).detach(); r,f=D(real),D(fake)
        l=bce(r,torch.ones_like(r))+bce(f,torch.zeros_like(f)); d_optimizer.zero_grad(); l.backward(); d_optimizer.step()
        with torch.no_grad():
            for p in D.parameters(): p.clamp_(-.01,.01)
        return l.item()
    return d_step


@right('2.5', "generator's noise chunks", 'accumulated over chunks')
def _():
    def g_step(G,D,g_optimizer,batch_size,latent_dim=64):
        g_optimizer.zero_grad(); t=0.
        for z in torch.randn(batch_size,latent_dim).split(16):
            l=F.softplus(-D(G(z))).sum()/batch_size; l.backward(); t+=l.item()
        g_optimizer.step(); D.zero_grad(); return t
    return g_step


@right('2.7', 'recursion', 'hstack by python, white gaps')
def _():
    def to_display(images):
        rows=[]; x=images.detach().clamp(-1,1); n,c,h,w=x.shape
        x=[(((i+1)/2)*255).round().to(torch.uint8).permute(1,2,0).numpy() for i in x]
        gap=np.full((h,1,c),255,np.uint8)
        return np.hstack([a for i in x for a in (i,gap)])
    return to_display
