"""Answers of a third blind trial to the exercises of notebook 02: right ones in many styles, wrong ones."""
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
def make_optimizers(G,D): return tuple(torch.optim.Adam(n.parameters(),lr=1e-3,betas=(.5,.999)) for n in (G,D))
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


@wrong('2.1', 'view batch fixed', 'view(128,...) hard')
def _():
    class Generator(nn.Module):
        def __init__(self,latent_dim=64,hidden_dim=256):
            super().__init__(); self.net=nn.Sequential(nn.Linear(latent_dim,hidden_dim),nn.ReLU(),nn.Linear(hidden_dim,784),nn.Tanh())
        def forward(self,z): return self.net(z).view(128,1,28,28)
    return Generator


@wrong('2.1', 'dropout softsign clip', 'hard clamp to [-1,1] with no tanh: no slope outside')
def _():
    class Generator(nn.Module):
        def __init__(self,latent_dim=64,hidden_dim=256):
            super().__init__(); self.net=nn.Sequential(nn.Linear(latent_dim,hidden_dim),nn.ReLU(),nn.Linear(hidden_dim,784),nn.LayerNorm(784))
        def forward(self,z): return self.net(z).view(-1,1,28,28)
    return Generator


@wrong('2.1', 'tanh/2+.5', 'rescaled to [0,1] at the end')
def _():
    class Generator(nn.Module):
        def __init__(self,latent_dim=64,hidden_dim=256):
            super().__init__(); self.net=nn.Sequential(nn.Linear(latent_dim,hidden_dim),nn.ReLU(),nn.Linear(hidden_dim,784),nn.Tanh())
        def forward(self,z): return (self.net(z).view(-1,1,28,28)+1)/2
    return Generator


@right('2.1', 'lazy layers', 'LazyLinear, weight norm, unflatten')
def _():
    def Generator(latent_dim=64,hidden_dim=256):
        net=nn.Sequential(nn.LazyLinear(hidden_dim),nn.GELU(),nn.LazyLinear(784),nn.Tanh(),nn.Unflatten(1,(1,28,28)))
        net(torch.zeros(2,latent_dim)); return net
    return Generator


@right('2.1', 'spectral norm residual', 'residual blocks with ModuleList and spectral norm')
def _():
    class Generator(nn.Module):
        def __init__(self,latent_dim=64,hidden_dim=256):
            super().__init__(); sn=nn.utils.parametrizations.weight_norm
            self.i=sn(nn.Linear(latent_dim,hidden_dim)); self.blocks=nn.ModuleList(nn.Linear(hidden_dim,hidden_dim) for _ in range(3)); self.o=nn.Linear(hidden_dim,28*28)
        def forward(self,z):
            h=F.silu(self.i(z))
            for b in self.blocks: h=h+F.silu(b(h))
            return torch.tanh(self.o(h)).reshape(z.shape[0],1,28,28)
    return Generator


@right('2.1', 'raw parameters einsum', 'own Parameters')
def _():
    class Generator(nn.Module):
        def __init__(self,latent_dim=64,hidden_dim=256):
            super().__init__(); P=lambda *s: nn.Parameter(torch.randn(*s)/s[0]**.5)
            self.w=nn.ParameterList([P(latent_dim,hidden_dim),P(hidden_dim,784)]); self.b=nn.Parameter(torch.zeros(784))
        def forward(self,z): return torch.einsum("nh,hp->np",torch.relu(z@self.w[0]),self.w[1]).add(self.b).tanh().view(len(z),1,28,28)
    return Generator


@right('2.1', 'softsign out', '2*sigmoid-1')
def _():
    class Generator(nn.Sequential):
        def __init__(self,latent_dim=64,hidden_dim=256):
            super().__init__(nn.Linear(latent_dim,hidden_dim,bias=False),nn.BatchNorm1d(hidden_dim),nn.LeakyReLU(.2,inplace=True),nn.Linear(hidden_dim,784))
        def forward(self,z): return 2*torch.sigmoid(super().forward(z).view(-1,1,28,28))-1
    return Generator


@wrong('2.2', 'relu end', 'leftover ReLU after the last layer')
def _():
    class Discriminator(nn.Module):
        def __init__(self,hidden_dim=256):
            super().__init__(); self.l=nn.ModuleList([nn.Linear(784,hidden_dim),nn.Linear(hidden_dim,1)])
        def forward(self,x):
            x=x.flatten(1)
            for l in self.l: x=F.relu(l(x))
            return x
    return Discriminator


@wrong('2.2', 'softmax over batch', 'dim=0 softmax')
def _():
    class Discriminator(nn.Module):
        def __init__(self,hidden_dim=256):
            super().__init__(); self.net=nn.Sequential(nn.Flatten(),nn.Linear(784,hidden_dim),nn.ReLU(),nn.Linear(hidden_dim,1),nn.Softmax(0))
        def forward(self,x): return self.net(x)
    return Discriminator


@right('2.2', 'conv with spectral norm', "small conv net, hidden_dim channels' head")
def _():
    class Discriminator(nn.Module):
        def __init__(self,hidden_dim=256):
            super().__init__(); sn=nn.utils.spectral_norm
            self.c=sn(nn.Conv2d(1,8,5,2)); self.f=sn(nn.LazyLinear(hidden_dim)) if False else sn(nn.Linear(8*12*12,hidden_dim)); self.o=sn(nn.Linear(hidden_dim,1))
        def forward(self,x): return self.o(F.leaky_relu(self.f(F.leaky_relu(self.c(x),.1).flatten(1)),.1)).squeeze(1)
    return Discriminator


@right('2.2', 'maxout', 'maxout with dropout')
def _():
    class Discriminator(nn.Module):
        def __init__(self,hidden_dim=256):
            super().__init__(); self.a=nn.Linear(784,hidden_dim*3); self.d=nn.Dropout(.3); self.o=nn.Linear(hidden_dim,1)
        def forward(self,x): return self.o(self.d(self.a(x.reshape(len(x),-1)).view(len(x),3,-1).amax(1)))[:,0]
    return Discriminator


@right('2.2', 'function building', 'partial of Sequential builder')
def _():
    Discriminator=lambda hidden_dim=256: nn.Sequential(nn.Flatten(),*itertools.chain.from_iterable((nn.Linear(i,o),nn.ELU()) for i,o in [(784,hidden_dim),(hidden_dim,hidden_dim//2)]),nn.Linear(hidden_dim//2,1),nn.Flatten(0))
    return Discriminator


@wrong('2.3', 'only weights', 'only the parameters with 2 dims (biases forgotten)')
def _():
    def make_optimizers(G,D): return tuple(torch.optim.Adam([p for p in n.parameters() if p.dim()>1],1e-3,(.5,.999)) for n in (G,D))
    return make_optimizers


@right('2.3', 'groups with no-op lr override', 'per-layer parameter groups, foreach')
def _():
    def make_optimizers(G,D):
        mk=functools.partial(torch.optim.Adam,lr=.001,betas=(.5,.999),foreach=True)
        return [mk([{"params":[p],"name":k} for k,p in n.named_parameters()]) for n in (G,D)]
    return make_optimizers


@right('2.3', 'add_param_group', 'lr set afterwards')
def _():
    def make_optimizers(G,D):
        out=[]
        for net in (G,D):
            first,*rest=net.parameters(); o=torch.optim.Adam([first],betas=(.5,.999))
            if rest: o.add_param_group({"params":rest})
            for g in o.param_groups: g["lr"]=1e-3
            out.append(o)
        return tuple(out)
    return make_optimizers


@wrong('2.4', 'step before backward', 'd_optimizer.step before loss.backward')
def _():
    def d_step(G,D,opt,real,latent_dim=64):
        opt.zero_grad(); fake=G(torch.randn(len(real),latent_dim)).detach(); r,f=D(real),D(fake)
        loss=bce(r,torch.ones_like(r))+bce(f,torch.zeros_like(f)); opt.step(); loss.backward(); return loss.item()
    return d_step


@wrong('2.4', 'uniform noise', 'torch.rand')
def _():
    def d_step(G,D,opt,real,latent_dim=64):
        opt.zero_grad(); fake=G(torch.rand(len(real),latent_dim)).detach(); r,f=D(real),D(fake)
        loss=bce(r,torch.ones_like(r))+bce(f,torch.zeros_like(f)); loss.backward(); opt.step(); return loss.item()
    return d_step


@wrong('2.4', 'own optimizer', 'makes a new Adam inside, ignores the given')
def _():
    def d_step(G,D,opt,real,latent_dim=64):
        opt=torch.optim.Adam(D.parameters(),1e-3,betas=(.5,.999)); fake=G(torch.randn(len(real),latent_dim)).detach(); r,f=D(real),D(fake); loss=bce(r,torch.ones_like(r))+bce(f,torch.zeros_like(f)); opt.zero_grad(); loss.backward(); opt.step(); return loss.item()
    return d_step


@right('2.4', 'accumulated micro-batches', 'gradient accumulation over halves with exact weights')
def _():
    def d_step(G,D,opt,real,latent_dim=64):
        opt.zero_grad(set_to_none=False); n=len(real); total=0.
        with torch.no_grad(): fake=G(torch.randn(n,latent_dim))
        for x,s in ((real,-1),(fake,1)):
            l=F.softplus(s*D(x)).sum()/n; l.backward(); total+=float(l)
        opt.step(); return total
    return d_step


@right('2.4', 'closure step', 'opt.step(closure)')
def _():
    def d_step(G,D,opt,real,latent_dim=64):
        z=torch.empty(real.shape[0],latent_dim,device=real.device).normal_()
        with torch.inference_mode(False), torch.no_grad(): fake=G(z)
        def closure():
            opt.zero_grad(); r,f=D(real),D(fake)
            loss=-(F.logsigmoid(r).mean()+F.logsigmoid(-f).mean()); loss.backward(); return loss
        return opt.step(closure).item()
    return d_step


@right('2.4', 'autograd.grad', 'gradients set by hand')
def _():
    def d_step(G,D,opt,real,latent_dim=64):
        fake=G(torch.randn(real.size(0),latent_dim,dtype=real.dtype)).detach()
        r,f=D(torch.cat((real,fake))).reshape(2,-1); loss=F.softplus(-r).mean()+F.softplus(f).mean()
        ps=list(D.parameters())
        for p,g in zip(ps,torch.autograd.grad(loss,ps)): p.grad=g
        opt.step(); return loss.detach().item()
    return d_step


@right('2.4', 'functional_call grad', 'torch.func')
def _():
    def d_step(G,D,opt,real,latent_dim=64):
        fake=G(torch.randn(len(real),latent_dim)).detach(); ps={k:v.detach() for k,v in D.named_parameters()}
        def L(ps):
            c=lambda x: torch.func.functional_call(D,ps,(x,))
            return F.softplus(-c(real)).mean()+F.softplus(c(fake)).mean()
        g,l=torch.func.grad_and_value(L)(ps)
        for k,p in D.named_parameters(): p.grad=g[k]
        opt.step(); return l.item()
    return d_step


@wrong('2.5', 'D unfrozen forgotten', 'requires_grad_(False) for D, never undone')
def _():
    def g_step(G,D,opt,batch_size,latent_dim=64):
        D.requires_grad_(False); l=D(G(torch.randn(batch_size,latent_dim))); loss=bce(l,torch.ones_like(l)); opt.zero_grad(); loss.backward(); opt.step(); return loss.item()
    return g_step


@wrong('2.5', 'lsgan', 'least squares')
def _():
    def g_step(G,D,opt,batch_size,latent_dim=64):
        l=D(G(torch.randn(batch_size,latent_dim))); loss=F.mse_loss(l,torch.ones_like(l)); opt.zero_grad(); loss.backward(); opt.step(); return loss.item()
    return g_step


@wrong('2.5', 'best of', 'top-k training: only the better half of the fakes')
def _():
    def g_step(G,D,opt,batch_size,latent_dim=64):
        l=D(G(torch.randn(batch_size,latent_dim))).flatten().topk(max(1,batch_size//2))[0]; loss=F.softplus(-l).mean(); opt.zero_grad(); loss.backward(); opt.step(); return loss.item()
    return g_step


@right('2.5', 'chain by hand', 'gradient at pixels then fake.backward(g)')
def _():
    def g_step(G,D,opt,batch_size,latent_dim=64):
        fake=G(torch.randn(batch_size,latent_dim)); x=fake.detach().requires_grad_()
        loss=F.softplus(-D(x)).mean(); g,=torch.autograd.grad(loss,x)
        opt.zero_grad(); fake.backward(g); opt.step(); return float(loss)
    return g_step


@right('2.5', 'freeze and restore', 'frozen D with try/finally')
def _():
    def g_step(G,D,opt,batch_size,latent_dim=64):
        was=[p.requires_grad for p in D.parameters()]
        try:
            D.requires_grad_(False); opt.zero_grad(); loss=-F.logsigmoid(D(G(torch.randn((batch_size,latent_dim))))).mean(); loss.backward(); opt.step()
        finally:
            for p,w in zip(D.parameters(),was): p.requires_grad_(w)
        return loss.item()
    return g_step


@right('2.5', 'cross entropy 2-class', 'stack logits')
def _():
    def g_step(G,D,opt,batch_size,latent_dim=64):
        l=D(G(torch.normal(0.,1.,(batch_size,latent_dim)))).view(batch_size); two=torch.stack((l,torch.zeros_like(l)),-1)
        loss=F.cross_entropy(two,torch.zeros(batch_size,dtype=torch.long)); G.zero_grad(); loss.backward(); opt.step(); return loss.item()
    return g_step


@wrong('2.6', 'arange', 'dataset.take(range(128)) each time')
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        og,od=optimizers or make_optimizers(G,D); h={"d_loss":[],"g_loss":[]}
        for s in range(steps):
            for k in range(d_steps):
                real=dataset.take(torch.arange(64*s,64*s+64)%len(dataset)); f=G(torch.randn(64,latent_dim)).detach(); d=F.softplus(-D(real)).mean()+F.softplus(D(f)).mean(); od.zero_grad(); d.backward(); od.step()
            g=F.softplus(-D(G(torch.randn(64,latent_dim)))).mean(); og.zero_grad(); g.backward(); og.step(); h["d_loss"].append(d.item()); h["g_loss"].append(g.item())
        return h
    return train_gan


@wrong('2.6', 'deepcopied nets', 'trains copies')
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        G,D=copy.deepcopy(G),copy.deepcopy(D)
        og,od=optimizers or make_optimizers(G,D); h={"d_loss":[],"g_loss":[]}
        for s in range(steps):
            for k in range(d_steps):
                real=dataset.take(torch.randint(len(dataset),(128,))); f=G(torch.randn(128,latent_dim)).detach(); d=F.softplus(-D(real)).mean()+F.softplus(D(f)).mean(); od.zero_grad(); d.backward(); od.step()
            g=F.softplus(-D(G(torch.randn(128,latent_dim)))).mean(); og.zero_grad(); g.backward(); og.step(); h["d_loss"].append(d.item()); h["g_loss"].append(g.item())
        return h
    return train_gan


@right('2.6', 'class with iterator', 'generator of batches by multinomial, class')
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        class Game:
            def __init__(s): s.og,s.od=optimizers if optimizers is not None else make_optimizers(G,D)
            def batches(s,n=100):
                while True:
                    for part in torch.randperm(len(dataset)).split(n):
                        if len(part)==n or len(dataset)<n: yield dataset.take(part)
            def play(s):
                it=s.batches(); rows=[]
                for _ in range(steps):
                    for real in itertools.islice(it,d_steps):
                        f=G(torch.randn(len(real),latent_dim)).detach(); d=F.softplus(-D(real)).mean()+F.softplus(D(f)).mean(); s.od.zero_grad(); d.backward(); s.od.step()
                    g=F.softplus(-D(G(torch.randn(100,latent_dim)))).mean(); s.og.zero_grad(); g.backward(); s.og.step(); rows.append((d.item(),g.item()))
                return dict(zip(("d_loss","g_loss"),map(list,zip(*rows)))) if rows else {"d_loss":[],"g_loss":[]}
        return Game().play()
    return train_gan


@right('2.6', 'steps as nested functions', 'no optimizers argument, batch 32')
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1):
        og,od=make_optimizers(G,D)
        def upd(o,loss):
            o.zero_grad(); loss.backward(); o.step(); return loss.item()
        fakes=lambda: G(torch.randn(32,latent_dim))
        dl=[]; gl=[]
        for _ in range(steps):
            dl.append([upd(od,F.softplus(-D(dataset.take(torch.randint(0,len(dataset),(32,))))).mean()+F.softplus(D(fakes().detach())).mean()) for _ in range(d_steps)][-1])
            gl.append(upd(og,F.softplus(-D(fakes())).mean()))
        return dict(d_loss=dl,g_loss=gl,steps=steps)
    return train_gan


@right('2.6', 'reuse fakes', "last D step's fakes are reused for G with D run anew")
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        og,od=optimizers or make_optimizers(G,D); h={"d_loss":[],"g_loss":[]}
        for s in range(steps):
            for k in range(d_steps):
                real=dataset.take(torch.from_numpy(np.random.randint(0,len(dataset),128))); fake=G(torch.randn(128,latent_dim))
                d=F.softplus(-D(real)).mean()+F.softplus(D(fake.detach())).mean(); od.zero_grad(); d.backward(); od.step(); h["d_loss"].append(d.item())
            g=F.softplus(-D(fake)).mean(); og.zero_grad(); g.backward(); og.step(); h["g_loss"].append(g.item())
        return h
    return train_gan


@wrong('2.7', '*128+128 overflow', '1 -> 256 -> wraps to 0')
def _():
    def to_display(images):
        x=(images*128+128).to(torch.uint8); return torch.cat(list(x[:,0]),1).numpy()
    return to_display


@wrong('2.7', 'float result', 'stays float 0..255')
def _():
    def to_display(images): return torch.cat(list(((images+1)*127.5)[:,0]),1).numpy()
    return to_display


@right('2.7', 'einops-like', 'numpy rearrange, padded with blank images')
def _():
    def to_display(images):
        x=np.asarray(images.detach().cpu()); n,c,h,w=x.shape; k=int(np.ceil(n**.5)); r=-(-n//k)
        x=np.concatenate([x,-np.ones((r*k-n,c,h,w),x.dtype)]); x=np.rint((x.clip(-1,1)+1)*127.5).astype(np.uint8)
        return x.reshape(r,k,c,h,w).transpose(0,3,1,4,2).reshape(r*h,k*w,c)
    return to_display


@right('2.7', 'fold', 'torch fold')
def _():
    def to_display(images):
        n,c,h,w=images.shape; x=((images+1)/2*255).round().reshape(n,c*h*w).T[None]
        g=F.fold(x,(n*h,w),(h,w),stride=(h,w))[0].clamp(0,255).byte(); return g.permute(1,2,0).squeeze(-1).contiguous()
    return to_display


@right('2.7', 'floor half', 'trunc of +0.5, column with white gaps')
def _():
    def to_display(images):
        if images.shape[1]!=1: raise ValueError("grey only")
        rows=[]
        for im in images[:,0]: rows+= [((im+1)*127.5+.5).to(torch.uint8), torch.full((2,im.shape[1]),255,dtype=torch.uint8)]
        return torch.cat(rows).numpy()
    return to_display


@wrong('2.8', 'scaled loss', 'real_target * loss (one-sided weight) drops the (1-t) part')
def _():
    def smooth_d_loss(r,f,real_target=.9,fake_target=0.): return real_target*F.softplus(-r).mean()+(1-fake_target)*F.softplus(f).mean()
    return smooth_d_loss


@wrong('2.8', 'joint mean x2', 'one mean over both, wrong for unequal sizes')
def _():
    def smooth_d_loss(r,f,real_target=.9,fake_target=0.):
        l=torch.cat([r,f]); t=torch.cat([torch.full_like(r,real_target),torch.full_like(f,fake_target)]); return 2*bce(l,t)
    return smooth_d_loss


@right('2.8', 'linear form', 'softplus(x) - t x')
def _():
    def smooth_d_loss(r,f,real_target=.9,fake_target=0.): return sum((F.softplus(x)-t*x).mean() for x,t in ((r,real_target),(f,fake_target)))
    return smooth_d_loss


@right('2.8', 'soft 2-class CE', 'cross_entropy with soft probabilities')
def _():
    def smooth_d_loss(r,f,real_target=.9,fake_target=0.):
        def ce(x,t):
            x=x.reshape(-1,1); return F.cross_entropy(torch.cat([x,torch.zeros_like(x)],1),torch.tensor([[t,1-t]]).to(x).expand(len(x),2))
        return ce(r,real_target)+ce(f,fake_target)
    return smooth_d_loss


@right('2.8', 'lerp', 'logsigmoid lerp')
def _():
    def smooth_d_loss(real_logits,fake_logits,real_target=.9,fake_target=0.):
        c=lambda x,t: -torch.lerp(F.logsigmoid(-x),F.logsigmoid(x),t).mean()
        return c(real_logits,real_target)+c(fake_logits,fake_target)
    return smooth_d_loss


@wrong('2.11', 'snapshots as views of train noise', 'fixed noise but every step% snapshot_every == snapshot_every-1 (not at step 0)')
def _():
    def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
        g_optimizer, d_optimizer = make_optimizers(G, D)
        history = {"d_loss": [], "g_loss": [], "snapshots": []}; fixed=torch.randn(16,latent_dim)
        for step in range(steps):
            real = dataset.take(torch.randint(len(dataset), (128,)))
            fake = G(torch.randn(128, latent_dim)).detach()
            d_loss=F.softplus(-D(real)).mean()+F.softplus(D(fake)).mean()
            d_optimizer.zero_grad(); d_loss.backward(); d_optimizer.step()
            g_loss=F.softplus(-D(G(torch.randn(128,latent_dim)))).mean()
            g_optimizer.zero_grad(); g_loss.backward(); g_optimizer.step()
            history["d_loss"].append(d_loss.item()); history["g_loss"].append(g_loss.item())
            if (step+1) % snapshot_every == 0: history["snapshots"].append(G(fixed).detach())
        return history
    return clinic


@right('2.11', 'minimal', 'all four, with no_grad snapshots')
def _():
    def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
        g_optimizer, d_optimizer = make_optimizers(G, D); images=dataset.images.float().div(255).sub(.5).div(.5); fixed=torch.randn(16,latent_dim)
        history = {"d_loss": [], "g_loss": [], "snapshots": []}
        for step in range(steps):
            real = images[torch.randint(len(images), (128,))]
            fake = G(torch.randn(128, latent_dim)).detach()
            real_says, fake_says = D(real), D(fake)
            d_loss = bce(real_says, torch.ones_like(real_says)) + bce(fake_says, torch.zeros_like(fake_says))
            D.zero_grad(); d_loss.backward(); d_optimizer.step()
            g_optimizer.zero_grad()
            fake_says = D(G(torch.randn(128, latent_dim)))
            g_loss = bce(fake_says, torch.ones_like(fake_says)); g_loss.backward(); g_optimizer.step()
            history["d_loss"].append(d_loss.item()); history["g_loss"].append(g_loss.item())
            if not step % snapshot_every:
                with torch.no_grad(): history["snapshots"].append(G(fixed).clone())
        return history
    return clinic


@right('2.11', 'probabilities with F.bce-with...', 'smaller generator function, snapshots before the step')
def _():
    def clinic(G, D, dataset, steps, latent_dim=64, snapshot_every=100):
        og,od=make_optimizers(G,D); gen=torch.Generator().manual_seed(7); fixed=torch.randn(16,latent_dim,generator=gen); H={k:[] for k in ("d_loss","g_loss","snapshots")}
        for step in range(steps):
            if step%snapshot_every==0: H["snapshots"].append(G(fixed).detach().cpu())
            real=dataset.take(torch.randint(len(dataset),(64,)))
            for name,o,L in (("d_loss",od,lambda: -F.logsigmoid(D(real)).mean()-F.logsigmoid(-D(G(torch.randn(64,latent_dim)).detach())).mean()),("g_loss",og,lambda: -F.logsigmoid(D(G(torch.randn(64,latent_dim)))).mean())):
                o.zero_grad(); l=L(); l.backward(); o.step(); H[name].append(float(l))
        return H
    return clinic


@wrong('2.6', 'G before D', "G's step precedes D's steps")
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        og,od=optimizers or make_optimizers(G,D); h={"d_loss":[],"g_loss":[]}
        for s in range(steps):
            g=F.softplus(-D(G(torch.randn(128,latent_dim)))).mean(); og.zero_grad(); g.backward(); og.step()
            for k in range(d_steps):
                real=dataset.take(torch.randint(len(dataset),(128,))); f=G(torch.randn(128,latent_dim)).detach(); d=F.softplus(-D(real)).mean()+F.softplus(D(f)).mean(); od.zero_grad(); d.backward(); od.step()
            h["d_loss"].append(d.item()); h["g_loss"].append(g.item())
        return h
    return train_gan


@wrong('2.6', 'lr decay', 'learning rate decays each step')
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        og,od=optimizers or make_optimizers(G,D); h={"d_loss":[],"g_loss":[]}
        for s in range(steps):
            for k in range(d_steps):
                real=dataset.take(torch.randint(len(dataset),(128,))); f=G(torch.randn(128,latent_dim)).detach(); d=F.softplus(-D(real)).mean()+F.softplus(D(f)).mean(); od.zero_grad(); d.backward(); od.step()
            g=F.softplus(-D(G(torch.randn(128,latent_dim)))).mean(); og.zero_grad(); g.backward(); og.step(); h["d_loss"].append(d.item()); h["g_loss"].append(g.item())
            for o in (og,od):
                for q in o.param_groups: q['lr']*=.99
        return h
    return train_gan


@wrong('2.6', 'slices run out', 'permutation once, slices end after an epoch: empty batches, nan')
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        og,od=optimizers or make_optimizers(G,D); h={"d_loss":[],"g_loss":[]}
        perm=torch.randperm(len(dataset)); i=0
        for s in range(steps):
            for k in range(d_steps):
                real=dataset.take(perm[128*i:128*i+128]); i+=1; f=G(torch.randn(len(real),latent_dim)).detach(); d=F.softplus(-D(real)).mean()+F.softplus(D(f)).mean(); od.zero_grad(); d.backward(); od.step()
            g=F.softplus(-D(G(torch.randn(128,latent_dim)))).mean(); og.zero_grad(); g.backward(); og.step(); h["d_loss"].append(d.item()); h["g_loss"].append(g.item())
        return h
    return train_gan


@wrong('2.6', 'D skipped when good', 'D is not updated when its loss is below 1: fewer D steps')
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        og,od=optimizers or make_optimizers(G,D); h={"d_loss":[],"g_loss":[]}
        for s in range(steps):
            for k in range(d_steps):
                real=dataset.take(torch.randint(len(dataset),(128,))); f=G(torch.randn(128,latent_dim)).detach(); d=F.softplus(-D(real)).mean()+F.softplus(D(f)).mean(); od.zero_grad(); d.backward(); (d.item()>1) and od.step()
            g=F.softplus(-D(G(torch.randn(128,latent_dim)))).mean(); og.zero_grad(); g.backward(); og.step(); h["d_loss"].append(d.item()); h["g_loss"].append(g.item())
        return h
    return train_gan


@wrong('2.6', 'd_steps ignored', 'one D step always')
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        og,od=optimizers or make_optimizers(G,D); h={"d_loss":[],"g_loss":[]}
        for s in range(steps):
            for k in range(1):
                real=dataset.take(torch.randint(len(dataset),(128,))); f=G(torch.randn(128,latent_dim)).detach(); d=F.softplus(-D(real)).mean()+F.softplus(D(f)).mean(); od.zero_grad(); d.backward(); od.step()
            g=F.softplus(-D(G(torch.randn(128,latent_dim)))).mean(); og.zero_grad(); g.backward(); og.step(); h["d_loss"].append(d.item()); h["g_loss"].append(g.item())
        return h
    return train_gan


@wrong('2.4', 'rescales', 'real*2-1 inside though it is in [-1,1] already')
def _():
    def d_step(G,D,opt,real,latent_dim=64):
        fake=G(torch.randn(len(real),latent_dim)).detach()
        r,f=D(real*2-1),D(fake)
        loss=F.softplus(-r).mean()+F.softplus(f).mean()
        opt.zero_grad(); loss.backward(); opt.step()
        return loss.item()
    return d_step


@wrong('2.4', 'relativistic', 'D(real)-D(fake)')
def _():
    def d_step(G,D,opt,real,latent_dim=64):
        fake=G(torch.randn(len(real),latent_dim)).detach()
        r,f=D(real),D(fake)
        loss=F.softplus(f-r).mean()+F.softplus(f-r).mean()
        opt.zero_grad(); loss.backward(); opt.step()
        return loss.item()
    return d_step


@wrong('2.5', 'truncated z', 'z clamped to [-1,1]')
def _():
    def g_step(G,D,opt,batch_size,latent_dim=64):
        fake=G(torch.randn(batch_size,latent_dim).clamp(-1,1))
        loss=F.softplus(-D(fake)).mean()
        opt.zero_grad(); loss.backward(); opt.step()
        return loss.item()
    return g_step


@wrong('2.7', 'overlap', 'grid with step h-2: images overlap')
def _():
    def to_display(images):
        n,c,h,w=images.shape; k=4; r=-(-n//k); out=np.zeros((r*h,k*w,c),np.uint8)
        x=((images.numpy()+1)*127.5).round().clip(0,255).astype(np.uint8).transpose(0,2,3,1)
        for i in range(n):
            a,b=divmod(i,k); out[a*(h-2):a*(h-2)+h,b*(w-2):b*(w-2)+w]=x[i]
        return out
    return to_display


@wrong('2.11', 'zero only at 0', 'zero_grad only in the first step')
def _():
    def clinic(G,D,dataset,steps,latent_dim=64,snapshot_every=100):
        og,od=make_optimizers(G,D); H={"d_loss":[],"g_loss":[],"snapshots":[]}; fixed=torch.randn(16,latent_dim)
        for step in range(steps):
            real=dataset.take(torch.randint(len(dataset),(128,))); fake=G(torch.randn(128,latent_dim)).detach()
            d=F.softplus(-D(real)).mean()+F.softplus(D(fake)).mean()
            step==0 and od.zero_grad(); d.backward(); od.step()
            g=F.softplus(-D(G(torch.randn(128,latent_dim)))).mean()
            og.zero_grad(); g.backward(); og.step()
            H["d_loss"].append(d.item()); H["g_loss"].append(g.item())
            if step%snapshot_every==0: H["snapshots"].append(G(fixed).detach())
        return H
    return clinic


@wrong('2.6', 'deepcopied optimisers', 'copy.deepcopy of the given pair')
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        og,od=copy.deepcopy(optimizers) if optimizers else make_optimizers(G,D); h={"d_loss":[],"g_loss":[]}
        for s in range(steps):
            for k in range(d_steps):
                real=dataset.take(torch.randint(len(dataset),(128,))); f=G(torch.randn(128,latent_dim)).detach(); d=F.softplus(-D(real)).mean()+F.softplus(D(f)).mean(); od.zero_grad(); d.backward(); od.step()
            g=F.softplus(-D(G(torch.randn(128,latent_dim)))).mean(); og.zero_grad(); g.backward(); og.step(); h["d_loss"].append(d.item()); h["g_loss"].append(g.item())
        return h
    return train_gan


@wrong('2.6', 'early stop', 'break when d loss < 0.5: fewer steps')
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        og,od=optimizers or make_optimizers(G,D); h={"d_loss":[],"g_loss":[]}
        for s in range(steps):
            for k in range(d_steps):
                real=dataset.take(torch.randint(len(dataset),(128,))); f=G(torch.randn(128,latent_dim)).detach(); d=F.softplus(-D(real)).mean()+F.softplus(D(f)).mean(); od.zero_grad(); d.backward(); od.step()
            g=F.softplus(-D(G(torch.randn(128,latent_dim)))).mean(); og.zero_grad(); g.backward(); og.step(); h["d_loss"].append(d.item()); h["g_loss"].append(g.item())
            if g.item()>5: break
        return h
    return train_gan


@wrong('2.6', 'only one class sorted', 'same index repeated: randint(...,(1,)).expand(128)')
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        og,od=optimizers or make_optimizers(G,D); h={"d_loss":[],"g_loss":[]}
        for s in range(steps):
            for k in range(d_steps):
                real=dataset.take(torch.randint(len(dataset),(1,)).expand(128)); f=G(torch.randn(128,latent_dim)).detach(); d=F.softplus(-D(real)).mean()+F.softplus(D(f)).mean(); od.zero_grad(); d.backward(); od.step()
            g=F.softplus(-D(G(torch.randn(128,latent_dim)))).mean(); og.zero_grad(); g.backward(); og.step(); h["d_loss"].append(d.item()); h["g_loss"].append(g.item())
        return h
    return train_gan


@wrong('2.6', 'z shared by D steps', 'noise of D drawn once for the whole training')
def _():
    def train_gan(G,D,dataset,steps,latent_dim=64,d_steps=1,optimizers=None):
        og,od=optimizers or make_optimizers(G,D); h={"d_loss":[],"g_loss":[]}
        zd=torch.randn(128,latent_dim)
        for s in range(steps):
            for k in range(d_steps):
                real=dataset.take(torch.randint(len(dataset),(128,))); f=G(zd).detach(); d=F.softplus(-D(real)).mean()+F.softplus(D(f)).mean(); od.zero_grad(); d.backward(); od.step()
            g=F.softplus(-D(G(torch.randn(128,latent_dim)))).mean(); og.zero_grad(); g.backward(); og.step(); h["d_loss"].append(d.item()); h["g_loss"].append(g.item())
        return h
    return train_gan


@wrong('2.7', 'transposed grid size', 'out (k*h, r*w)? writes overwritten: column index mod')
def _():
    def to_display(images):
        n,c,h,w=images.shape; k=4; r=-(-n//k); out=np.zeros((r*h,k*w,c),np.uint8)
        x=((images.numpy()+1)*127.5).round().clip(0,255).astype(np.uint8).transpose(0,2,3,1)
        for i in range(n):
            a,b=divmod(i,k+1); out[a*h:a*h+h,(b%k)*w:(b%k)*w+w]=x[i]
        return out
    return to_display


@wrong('2.11', 'slices run out', 'one permutation, then empty batches (nan)')
def _():
    def clinic(G,D,dataset,steps,latent_dim=64,snapshot_every=100):
        og,od=make_optimizers(G,D); H={"d_loss":[],"g_loss":[],"snapshots":[]}; fixed=torch.randn(16,latent_dim)
        perm=torch.randperm(len(dataset))
        for step in range(steps):
            real=dataset.take(perm[128*step:128*step+128]); fake=G(torch.randn(128,latent_dim)).detach()
            d=F.softplus(-D(real)).mean()+F.softplus(D(fake)).mean()
            od.zero_grad(); d.backward(); od.step()
            g=F.softplus(-D(G(torch.randn(128,latent_dim)))).mean()
            og.zero_grad(); g.backward(); og.step()
            H["d_loss"].append(d.item()); H["g_loss"].append(g.item())
            if step%snapshot_every==0: H["snapshots"].append(G(fixed).detach())
        return H
    return clinic


@wrong('2.4', 'float64', "D's loss computed with real.double(): dtype")
def _():
    def d_step(G,D,opt,real,latent_dim=64):
        fake=G(torch.randn(len(real),latent_dim)).detach()
        r,f=D(real.double()),D(fake)
        loss=F.softplus(-r).mean()+F.softplus(f).mean()
        opt.zero_grad(); loss.backward(); opt.step()
        return loss.item()
    return d_step


@wrong('2.5', 'stops when good', 'no step when the loss is below .5')
def _():
    def g_step(G,D,opt,batch_size,latent_dim=64):
        fake=G(torch.randn(batch_size,latent_dim))
        loss=F.softplus(-D(fake)).mean()
        opt.zero_grad(); loss.backward(); (loss.item()>.5) and opt.step()
        return loss.item()
    return g_step


@right('2.6', 'partials and zip', 'partials, GAN dataclass')
def _():
    from dataclasses import dataclass, field
    @dataclass
    class History:
        d_loss: list=field(default_factory=list); g_loss: list=field(default_factory=list)
    def train_gan(G,D,dataset,steps,latent_dim=64,*,d_steps=1,optimizers=None):
        opt=dict(zip("GD",optimizers or make_optimizers(G,D))); H=History(); noise=lambda n=96: torch.randn(n,latent_dim)
        def update(who,loss):
            opt[who].zero_grad(set_to_none=True); loss.backward(); opt[who].step(); return loss.item()
        for _ in range(steps):
            for _ in range(d_steps):
                x=dataset.take(torch.randperm(len(dataset))[:96]); last=update("D",-F.logsigmoid(D(x)).mean()-F.logsigmoid(-D(G(noise()).detach())).mean())
            H.d_loss.append(last); H.g_loss.append(update("G",-F.logsigmoid(D(G(noise()))).mean()))
        return vars(H)
    return train_gan


@right('2.5', 'micro-batches', 'gradient accumulation in 4 parts')
def _():
    def g_step(G,D,opt,batch_size,latent_dim=64):
        opt.zero_grad(); total=0.
        for z in torch.randn(batch_size,latent_dim).tensor_split(4):
            if len(z)==0: continue
            part=F.softplus(-D(G(z))).sum()/batch_size; part.backward(); total+=part.item()
        opt.step(); return total
    return g_step


@right('2.5', 'vjp', 'torch.func.vjp-free: jacobian by autograd with inputs=')
def _():
    def g_step(G,D,opt,batch_size,latent_dim=64):
        z=torch.distributions.Normal(0.,1.).sample((batch_size,latent_dim)); loss=torch.logaddexp(-D(G(z)),torch.tensor(0.)).mean()
        opt.zero_grad(); torch.autograd.backward(loss,inputs=list(G.parameters())); opt.step(); return loss.detach().numpy().item()
    return g_step


@right('2.1', 'sn generator', 'spectral norm on all layers')
def _():
    class Generator(nn.Module):
        def __init__(self,latent_dim=64,hidden_dim=256):
            super().__init__(); sn=PZ.spectral_norm; self.net=nn.Sequential(sn(nn.Linear(latent_dim,hidden_dim)),nn.ReLU(),sn(nn.Linear(hidden_dim,784)),nn.Tanh())
        def forward(self,z): return self.net(z).view(-1,1,28,28)
    return Generator


@right('2.1', 'pixel norm + layer norm hidden', 'z normalised by its rms, LayerNorm hidden')
def _():
    class Generator(nn.Module):
        def __init__(self,latent_dim=64,hidden_dim=256):
            super().__init__(); self.a=nn.Linear(latent_dim,hidden_dim); self.n=nn.LayerNorm(hidden_dim); self.b=nn.Linear(hidden_dim,784)
        def forward(self,z): return torch.tanh(self.b(F.mish(self.n(self.a(z))))).unflatten(-1,(1,28,28))
    return Generator


@right('2.1', 'upsampling convs', 'small conv generator with bilinear upsampling')
def _():
    class Generator(nn.Module):
        def __init__(self,latent_dim=64,hidden_dim=256):
            super().__init__(); self.h=hidden_dim; self.a=nn.Linear(latent_dim,hidden_dim*49//49*7*7//7); self.f=nn.Linear(hidden_dim*7,4*196); self.c=nn.Conv2d(4,1,3,padding=1)
        def forward(self,z): return torch.tanh(self.c(F.interpolate(F.relu(self.f(F.relu(self.a(z)))).view(-1,4,14,14),scale_factor=2,mode="bilinear")))
    return Generator


@right('2.1', 'sin activation', 'SIREN hidden')
def _():
    class Generator(nn.Module):
        def __init__(self,latent_dim=64,hidden_dim=256):
            super().__init__(); self.layers=nn.ModuleDict({"in":nn.Linear(latent_dim,hidden_dim),"out":nn.Linear(hidden_dim,784)})
        def forward(self,z): return F.hardtanh(self.layers["out"](torch.sin(self.layers["in"](z)))*.9).tanh().mul(1/math.tanh(1)).reshape(-1,1,28,28)
    return Generator


@right('2.2', 'group norm conv', 'GroupNorm and global pooling')
def _():
    class Discriminator(nn.Module):
        def __init__(self,hidden_dim=256):
            super().__init__(); self.net=nn.Sequential(nn.Conv2d(1,16,4,2,1),nn.LeakyReLU(.2),nn.Conv2d(16,32,4,2,1),nn.GroupNorm(4,32),nn.LeakyReLU(.2),nn.Flatten(),nn.Linear(32*49,hidden_dim),nn.LeakyReLU(.2),nn.Linear(hidden_dim,1),nn.Flatten(0))
        def forward(self,x): return self.net(x)
    return Discriminator


@right('2.2', 'weight norm mlp', 'weight norm')
def _():
    class Discriminator(nn.Module):
        def __init__(self,hidden_dim=256):
            super().__init__(); wn=PZ.weight_norm; self.l1=wn(nn.Linear(784,hidden_dim)); self.l2=wn(nn.Linear(hidden_dim,1))
        def forward(self,x): return self.l2(F.softplus(self.l1(x.flatten(1)))).squeeze(-1)
    return Discriminator


@right('2.2', 'sn mlp no bias', 'spectral norm without biases')
def _():
    class Discriminator(nn.Module):
        def __init__(self,hidden_dim=256):
            super().__init__(); sn=PZ.spectral_norm; self.net=nn.Sequential(nn.Flatten(),sn(nn.Linear(784,hidden_dim,bias=False)),nn.LeakyReLU(.2),sn(nn.Linear(hidden_dim,1,bias=False)))
        def forward(self,x): return self.net(x)
    return Discriminator


@right('2.2', 'clamped-scale input', 'input centred and scaled inside')
def _():
    class Discriminator(nn.Module):
        def __init__(self,hidden_dim=256):
            super().__init__(); self.a,self.b,self.c=nn.Linear(784,hidden_dim),nn.Linear(hidden_dim,hidden_dim),nn.Linear(hidden_dim,1)
        def forward(self,x):
            h=F.relu(self.a(torch.flatten((x+1)/2,1))); return self.c(h+F.relu(self.b(h))).view(-1)
    return Discriminator


@right('2.2', 'bilinear rows', 'attention-free: row-wise GRU')
def _():
    class Discriminator(nn.Module):
        def __init__(self,hidden_dim=256):
            super().__init__(); self.g=nn.GRU(28,hidden_dim,batch_first=True); self.o=nn.Linear(hidden_dim,1)
        def forward(self,x): return self.o(self.g(x[:,0])[0].mean(1))
    return Discriminator


@right('2.7', 'make_grid', 'torchvision-like via unfold, normal slack gaps grey')
def _():
    def to_display(images):
        n,c,h,w=images.shape; k=3; pad=(-n)%k
        x=F.pad(torch.cat([images,images.new_zeros(pad,c,h,w)]),(1,1,1,1),value=0.).clamp(-1,1)
        rows=[torch.cat(list(r),2) for r in x.split(k)]; g=torch.cat(rows,1); return torch.floor((g+1)*127.5+.5).to(torch.uint8).permute(1,2,0)
    return to_display


@right('2.11', 'infinite generator', 'batches by generator, snapshots stacked list')
def _():
    def clinic(G,D,dataset,steps,latent_dim=64,snapshot_every=100):
        opts=make_optimizers(G,D); fixed=torch.randn(16,latent_dim); log={"d_loss":[],"g_loss":[],"snapshots":[]}
        def stream(n=128):
            while True:
                o=torch.randperm(len(dataset))
                yield from (dataset.take(o[i:i+n]) for i in range(0,len(o)-n+1,n))
        for step,real in enumerate(itertools.islice(stream(),steps)):
            fake=G(torch.randn(len(real),latent_dim))
            for o,name,loss in ((opts[1],"d_loss",lambda: F.softplus(-D(real)).mean()+F.softplus(D(fake.detach())).mean()),(opts[0],"g_loss",lambda: F.softplus(-D(fake)).mean())):
                o.zero_grad(); l=loss(); l.backward(); o.step(); log[name].append(l.item())
            if step%snapshot_every==0:
                with torch.inference_mode(): log["snapshots"].append(G(fixed))
        return log
    return clinic
