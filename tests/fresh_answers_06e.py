"""Answers of a fourth blind trial to the exercises of notebook 06: right ones in many styles, wrong ones."""
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
def mac(images,judge):
    was=judge.training; judge.eval()
    with torch.no_grad(): f=torch.cat([judge.features_and_logits(b.float()/127.5-1)[0] for b in images.split(500)]).double()
    judge.train(was); return f.mean(0),torch.cov(f.T)
def fd(m,c,n,d): return float(((m-n)**2).sum()+torch.trace(c+d)-2*torch.linalg.eigvals(c@d).real.clamp(min=0).sqrt().sum())
bce=F.binary_cross_entropy_with_logits


@wrong('6.1', 'one split', 'splits ignored')
def _():
    def inception_score(logits,splits=10):
        p=logits.double().log_softmax(1); m=p.exp().mean(0).log(); return (p.exp()*(p-m)).sum(1).mean().exp().item()
    return inception_score


@right('6.1', 'entropies stride', 'H(marginal)-mean H, strided parts of a numpy shuffle')
def _():
    def inception_score(logits,splits=10):
        l=logits.double().numpy()[np.random.permutation(len(logits))]; p=np.exp(l-l.max(1,keepdims=True)); p/=p.sum(1,keepdims=True)
        H=lambda q:-(q*np.log(np.where(q>0,q,1))).sum(-1)
        return float(np.mean([np.exp(H(p[i::splits].mean(0))-H(p[i::splits]).mean()) for i in range(splits)]))
    return inception_score


@right('6.1', 'reshape', 'vectorised over splits')
def _():
    def inception_score(logits,splits=10):
        n=len(logits)//splits; lp=logits.double()[torch.randperm(len(logits))][:n*splits].reshape(splits,n,-1).log_softmax(-1)
        m=lp.logsumexp(1,keepdim=True)-math.log(n); return (lp.exp()*(lp-m)).sum(-1).mean(1).exp().mean()
    return inception_score


@wrong('6.2', 'variance only', 'diag of variances')
def _():
    def mean_and_covariance(images,judge):
        judge.eval()
        with torch.no_grad(): f=judge.features_and_logits(images.float()/127.5-1)[0].double()
        return f.mean(0),torch.diag(f.var(0))
    return mean_and_covariance


@right('6.2', 'running sums', 'sums of f and f f^T by batches')
def _():
    def mean_and_covariance(images,judge):
        was=judge.training; judge.eval(); n=0; s=q=0.
        try:
            with torch.inference_mode():
                for b in images.split(64):
                    f=judge.features_and_logits(b.float().div(127.5).sub(1))[0].double(); n+=len(f); s=s+f.sum(0); q=q+f.T@f
        finally: judge.train(was)
        m=s/n; return m,(q-n*torch.outer(m,m))/(n-1)
    return mean_and_covariance


@right('6.2', 'numpy', 'np.cov rowvar False on a copy')
def _():
    def mean_and_covariance(images,judge):
        j=copy.deepcopy(judge).eval()
        f=j.features_and_logits(2*(images/255)-1)[0].detach().numpy(); return f.mean(0),np.cov(f,rowvar=False)
    return mean_and_covariance


@wrong('6.3', 'root outside', 'sqrt of the trace')
def _():
    def frechet_distance(mean_r,cov_r,mean_g,cov_g):
        return float(((mean_r-mean_g)**2).sum()+torch.trace(cov_r+cov_g)-2*torch.trace(cov_r@cov_g).sqrt())
    return frechet_distance


@right('6.3', 'nuclear norm', 'nuclear norm of product of roots')
def _():
    def frechet_distance(mean_r,cov_r,mean_g,cov_g):
        def root(c):
            w,v=torch.linalg.eigh(c); return v*w.clamp(min=0).sqrt()@v.T
        return (mean_r-mean_g).square().sum()+cov_r.trace()+cov_g.trace()-2*torch.linalg.matrix_norm(root(cov_r)@root(cov_g),"nuc")
    return frechet_distance


@right('6.3', 'scipy/numpy', 'numpy eigvals complex sqrt')
def _():
    def frechet_distance(mean_r,cov_r,mean_g,cov_g):
        a,b=cov_r.numpy(),cov_g.numpy(); e=np.linalg.eigvals(a@b); d=(mean_r-mean_g).numpy()
        return float(d@d+np.trace(a)+np.trace(b)-2*np.sqrt(e.astype(complex)).real.sum())
    return frechet_distance


@wrong('6.4', 'n for m', 'n(n-1) for both')
def _():
    def kernel_distance(x,y):
        k=lambda a,b:(a@b.T/x.shape[1]+1)**3; n,m=len(x),len(y); a,b=k(x,x),k(y,y)
        return float((a.sum()-a.trace())/(n*(n-1))+(b.sum()-b.trace())/(n*(n-1))-2*k(x,y).mean())
    return kernel_distance


@wrong('6.4', 'centred', 'features centred first')
def _():
    def kernel_distance(x,y):
        x,y=x-x.mean(0),y-y.mean(0); k=lambda a,b:(a@b.T/x.shape[1]+1)**3; n,m=len(x),len(y); a,b=k(x,x),k(y,y)
        return float((a.sum()-a.trace())/(n*(n-1))+(b.sum()-b.trace())/(m*(m-1))-2*k(x,y).mean())
    return kernel_distance


@right('6.4', 'mask', 'off-diagonal mask mean')
def _():
    def kernel_distance(x,y):
        k=lambda a,b:((a@b.T).div(a.shape[1]).add(1)).pow(3); off=lambda a:k(a,a)[~torch.eye(len(a),dtype=torch.bool)].mean()
        return off(x)+off(y)-2*k(x,y).mean()
    return kernel_distance


@right('6.4', 'loops numpy', 'triu pairs')
def _():
    def kernel_distance(x,y):
        x,y=x.numpy(),y.numpy(); d=x.shape[1]; up=lambda a:((a@a.T/d+1)**3)[np.triu_indices(len(a),1)].mean()
        return up(x)+up(y)-2*((x@y.T/d+1)**3).mean()
    return kernel_distance


@wrong('6.5', 'recall = precision', 'same call twice')
def _():
    def precision_recall(fake,real,k=3):
        def f(s,c): r=torch.cdist(c,c).kthvalue(k+1,1).values; return (torch.cdist(s,c)<=r).any(1).double().mean().item()
        return f(fake,real),f(fake,real)
    return precision_recall


@right('6.5', 'loops', 'python loops')
def _():
    def precision_recall(fake,real,k=3):
        def f(s,c):
            s,c=s.tolist(),c.tolist(); r=[sorted(math.dist(a,b) for j,b in enumerate(c) if j!=i)[k-1] for i,a in enumerate(c)]
            return sum(any(math.dist(p,a)<=q for a,q in zip(c,r)) for p in s)/len(s)
        return f(fake,real),f(real,fake)
    return precision_recall


@right('6.5', 'topk inf diag numpy', 'partition')
def _():
    def precision_recall(fake,real,k=3):
        def f(s,c):
            d=np.linalg.norm(c[:,None]-c[None],axis=-1); np.fill_diagonal(d,np.inf); r=np.partition(d,k-1,1)[:,k-1]
            return np.mean((np.linalg.norm(s[:,None]-c[None],axis=-1)<r).max(1))
        return f(fake.numpy(),real.numpy()),f(real.numpy(),fake.numpy())
    return precision_recall


@wrong('6.8', 'floats truncated to bytes? means only', 'FD from means only')
def _():
    def evaluate_gan(sample,reference,judge):
        x=((sample(len(reference))+1)*127.5).round().clamp(0,255).to(torch.uint8); a,b=mac(x,judge),mac(reference,judge)
        return {"FD":float(((a[0]-b[0])**2).sum()),"n":len(x),"n_reference":len(reference)}
    return evaluate_gan


@right('6.8', 'batches', 'many calls with rest')
def _():
    def evaluate_gan(sample,reference,judge):
        M=len(reference); x=torch.cat([sample(min(64,M-i)) for i in range(0,M,64)]); x=((x.detach().clamp(-1,1)+1)*127.5+.5).floor().to(torch.uint8)
        return dict(FD=torch.tensor(fd(*mac(x,judge),*mac(reference,judge))),n=len(x),n_reference=M,note="ok")
    return evaluate_gan


@wrong('6.4', 'rbf', 'gaussian kernel')
def _():
    def kernel_distance(x,y):
        k=lambda a,b:torch.exp(-torch.cdist(a,b)**2/(2*x.shape[1])); n,m=len(x),len(y); a,b=k(x,x),k(y,y)
        return float((a.sum()-n)/(n*(n-1))+(b.sum()-m)/(m*(m-1))-2*k(x,y).mean())
    return kernel_distance


@right('6.8', 'round half away', 'bytes by floor +.5, judge copy')
def _():
    def evaluate_gan(sample,reference,judge):
        j=copy.deepcopy(judge); M=reference.shape[0]; x=torch.round(sample(M).detach()*127.5+127.5).clip(0,255).byte()
        return {"FD":float(fd(*mac(x,j),*mac(reference,j))),"n":M,"n_reference":M,"mean":mac(x,j)[0]}
    return evaluate_gan
