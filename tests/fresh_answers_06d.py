"""Answers of a third blind trial to the exercises of notebook 06: right ones in many styles, wrong ones."""
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
def mean_and_covariance(images, judge):
    was=judge.training; judge.eval()
    with torch.no_grad(): f=judge.features_and_logits(images.float()/127.5-1)[0].double()
    judge.train(was); return f.mean(0),torch.cov(f.T)
def frechet_distance(a,A,b,B):
    e=torch.linalg.eigvals(A@B).real.clamp(min=0).sqrt().sum()
    return ((a-b).square().sum()+A.trace()+B.trace()-2*e).item()
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


@wrong('6.1', 'only first split', 'break after the first')
def _():
    def inception_score(logits,splits=10):
        logits=logits[torch.randperm(len(logits))].double()
        for part in logits.chunk(splits):
            l=part.log_softmax(1); m=l.exp().mean(0).log(); return (l.exp()*(l-m)).sum(1).mean().exp().item()
    return inception_score


@wrong('6.1', 'shuffle in place each column', 'shuffles entries instead of rows')
def _():
    def inception_score(logits,splits=10):
        s=[]; flat=logits.flatten(); logits=flat[torch.randperm(len(flat))].view_as(logits).double()
        for part in logits.chunk(splits):
            l=part.log_softmax(1); m=l.exp().mean(0).log(); s.append((l.exp()*(l-m)).sum(1).mean().exp())
        return torch.stack(s).mean().item()
    return inception_score


@wrong('6.1', 'base 2', 'log2 with exp')
def _():
    def inception_score(logits,splits=10):
        s=[]; logits=logits[torch.randperm(len(logits))].double()
        for part in logits.chunk(splits):
            l=part.log_softmax(1); m=l.exp().mean(0).log(); s.append(((l.exp()*(l-m)).sum(1).mean()/math.log(2)).exp())
        return torch.stack(s).mean().item()
    return inception_score


@right('6.1', 'entropies, strided parts of a shuffle', 'H(m)-H(y|x), vectorised')
def _():
    def inception_score(logits,splits=10):
        n=len(logits)//splits*splits; p=logits[torch.randperm(len(logits))][:n].double().softmax(1).reshape(splits,-1,logits.shape[1])
        H=lambda q: torch.special.entr(q).sum(-1)
        return (H(p.mean(1))-H(p).mean(1)).exp().mean()
    return inception_score


@right('6.1', 'numpy array_split', 'numpy loops')
def _():
    def inception_score(logits,splits=10):
        x=logits.detach().cpu().double().numpy(); x=x[np.random.default_rng().permutation(len(x))]; lse=np.logaddexp.reduce(x,axis=1,keepdims=True); L=x-lse
        def one(l): 
            p=np.exp(l); return np.exp((p*(l-np.logaddexp.reduce(l,axis=0)+np.log(len(l)))).sum(1).mean())
        return np.mean([one(l) for l in np.array_split(L,splits)])
    return inception_score


@wrong('6.2', 'batches dropped', 'last incomplete batch dropped')
def _():
    def mean_and_covariance(images,judge):
        was=judge.training; judge.eval(); fs=[]
        with torch.no_grad():
            for i in range(len(images)//64): fs.append(judge.features_and_logits(images[64*i:64*i+64].float()/127.5-1)[0].double())
        judge.train(was); f=torch.cat(fs); return f.mean(0),torch.cov(f.T)
    return mean_and_covariance


@wrong('6.2', 'eval, called twice in train', 'eval only for the second call (mean in train mode)')
def _():
    def mean_and_covariance(images,judge):
        x=images.float()/127.5-1
        with torch.no_grad():
            mean=judge.features_and_logits(x)[0].double().mean(0); judge.eval(); f=judge.features_and_logits(x)[0].double()
        return mean,torch.cov(f.T)
    return mean_and_covariance


@right('6.2', 'welford in batches', 'streaming sums')
def _():
    def mean_and_covariance(images,judge):
        net=copy.deepcopy(judge).eval(); n=0
        with torch.inference_mode():
            for part in images.split(37):
                f=net.features_and_logits((part.float()-127.5)/127.5)[0].double()
                if n==0: S,Q=f.sum(0),f.T@f
                else: S,Q=S+f.sum(0),Q+f.T@f
                n+=len(f)
        m=S/n; return m.clone(),(Q-n*torch.outer(m,m))/(n-1)
    return mean_and_covariance


@right('6.2', 'numpy cov', 'np.cov rowvar False, float32 mean')
def _():
    def mean_and_covariance(images,judge):
        judge.eval(); x=images.to(torch.float32).div(255).mul(2).sub(1)
        f=np.concatenate([judge.features_and_logits(b)[0].detach().numpy() for b in torch.tensor_split(x,3)])
        return f.mean(0,dtype=np.float64),np.cov(f,rowvar=False)
    return mean_and_covariance


@wrong('6.3', 'eigvalsh of product', 'eigvalsh(A@B): not symmetric')
def _():
    def frechet_distance(a,A,b,B):
        e=torch.linalg.eigvalsh(A@B).clamp(min=0).sqrt().sum(); return ((a-b).square().sum()+A.trace()+B.trace()-2*e).item()
    return frechet_distance


@wrong('6.3', 'mean of squares', '(a-b)^2 mean')
def _():
    def frechet_distance(a,A,b,B):
        e=torch.linalg.eigvals(A@B).real.clamp(min=0).sqrt().sum(); return ((a-b).square().mean()+A.trace()+B.trace()-2*e).item()
    return frechet_distance


@right('6.3', 'svd of root product', 'nuclear norm of sqrt(A) sqrt(B)')
def _():
    def frechet_distance(a,A,b,B):
        def root(M):
            w,V=torch.linalg.eigh(M); return V*w.clamp(min=0).sqrt()@V.mT
        return (a-b).pow(2).sum()+(A+B).trace()-2*torch.linalg.matrix_norm(root(A)@root(B),"nuc")
    return frechet_distance


@right('6.3', 'scipy', 'numpy eigenvalues')
def _():
    def frechet_distance(a,A,b,B):
        a,A,b,B=(t.numpy() for t in (a,A,b,B)); w=np.linalg.eigvals(A.dot(B))
        return float(np.linalg.norm(a-b)**2+np.trace(A)+np.trace(B)-2*np.sqrt(np.maximum(w.real,0)).sum())
    return frechet_distance


@wrong('6.4', 'biased cross minus diagonal', 'cross term also without its diagonal')
def _():
    def kernel_distance(x,y):
        d=x.shape[1]; k=lambda a,b: (a@b.T/d+1)**3
        off=lambda K: (K.sum()-K.diagonal().sum())/(K.numel()-min(K.shape))
        return (off(k(x,x))+off(k(y,y))-2*off(k(x,y))).item()
    return kernel_distance


@wrong('6.4', 'sqrt d', 'x.y/sqrt d')
def _():
    def kernel_distance(x,y):
        d=x.shape[1]**.5; k=lambda a,b: (a@b.T/d+1)**3
        off=lambda K: (K.sum()-K.trace())/(len(K)*(len(K)-1))
        return (off(k(x,x))+off(k(y,y))-2*k(x,y).mean()).item()
    return kernel_distance


@wrong('6.4', 'n^2 denominators', 'diagonal removed, divided by n^2')
def _():
    def kernel_distance(x,y):
        d=x.shape[1]; k=lambda a,b: (a@b.T/d+1)**3
        off=lambda K: (K.sum()-K.trace())/K.numel()
        return (off(k(x,x))+off(k(y,y))-2*k(x,y).mean()).item()
    return kernel_distance


@right('6.4', 'feature expansion', 'explicit kernel loops by combinations')
def _():
    def kernel_distance(x,y):
        d=x.size(-1); K=torch.matmul(torch.cat([x,y]),torch.cat([x,y]).T).div_(d).add_(1).pow_(3); n,m=len(x),len(y)
        w=torch.cat([torch.full((n,),1/n),torch.full((m,),-1/m)]).double(); W=torch.outer(w,w)
        W[:n,:n]=1/(n*(n-1)); W[n:,n:]=1/(m*(m-1)); W.fill_diagonal_(0); return (K*W).sum()
    return kernel_distance


@right('6.4', 'vmap', 'torch.vmap pairs masked')
def _():
    def kernel_distance(x,y):
        kern=lambda a,b: (torch.dot(a,b)/a.numel()+1)**3
        table=lambda a,b: torch.vmap(lambda u: torch.vmap(lambda v: kern(u,v))(b))(a)
        def within(a): return table(a,a)[~torch.eye(len(a),dtype=torch.bool)].mean()
        return float(within(x)+within(y)-2*table(x,y).mean())
    return kernel_distance


@wrong('6.5', 'mean radius', 'one mean radius for all balls')
def _():
    def precision_recall(fake,real,k=3):
        def inside(s,c): return (torch.cdist(s,c)<=torch.cdist(c,c).sort(1)[0][:,k].mean()).any(1).double().mean().item()
        return inside(fake,real),inside(real,fake)
    return precision_recall


@wrong('6.5', 'squared vs not', 'cdist squared compared with unsquared radius')
def _():
    def precision_recall(fake,real,k=3):
        def inside(s,c): return (torch.cdist(s,c)**2<=torch.cdist(c,c).sort(1)[0][:,k]).any(1).double().mean().item()
        return inside(fake,real),inside(real,fake)
    return precision_recall


@right('6.5', 'python loops', 'loops with sorted')
def _():
    def precision_recall(fake,real,k=3):
        F_,R=fake.numpy(),real.numpy()
        def share(s,c):
            radii=[sorted(np.linalg.norm(c-p,axis=1))[k] for p in c]
            return sum(any(np.linalg.norm(u-p)<r for p,r in zip(c,radii)) for u in s)/len(s)
        return share(F_,R),share(R,F_)
    return precision_recall


@right('6.5', 'topk with inf diagonal', 'topk smallest with diag inf, exact cdist')
def _():
    def precision_recall(fake,real,k=3):
        def inside(s,c):
            own=torch.cdist(c,c,compute_mode="donot_use_mm_for_euclid_dist").fill_diagonal_(math.inf).topk(k,largest=False).values[...,-1]
            return (torch.cdist(s,c).sub(own).amin(1)<=0).double().mean()
        return [inside(fake,real),inside(real,fake)]
    return precision_recall


@wrong('6.6', 'five names', 'one missing')
def _():
    def predicted_orders(): return (["memoriser","half the classes","one of each","noisy","speckle","blurred"],["memoriser","noisy","blurred","half the classes","speckle"])
    return predicted_orders


@right('6.6', 'sorted list', 'own order by sorted(key)')
def _():
    def predicted_orders():
        names=("memoriser","half the classes","one of each","noisy","speckle","blurred"); guess=[2,3,1,5,6,4]
        return [n for _,n in sorted(zip(guess,names))],list(reversed(names))
    return predicted_orders


@wrong('6.8', 'n 1000 fixed', 'sample(1000)')
def _():
    def evaluate_gan(sample,reference,judge):
        x=((sample(1000)+1)*127.5).round().clamp(0,255).byte(); return {"FD":frechet_distance(*mean_and_covariance(reference,judge),*mean_and_covariance(x,judge)),"n":1000,"n_reference":len(reference)}
    return evaluate_gan


@wrong('6.8', 'batches lose remainder', 'batches of 64, n says len(reference)')
def _():
    def evaluate_gan(sample,reference,judge):
        n=len(reference); x=torch.cat([sample(64) for _ in range(n//64)]); x=((x+1)*127.5).round().byte(); return {"FD":frechet_distance(*mean_and_covariance(reference,judge),*mean_and_covariance(x,judge)),"n":n,"n_reference":n}
    return evaluate_gan


@right('6.8', 'batches', 'batches with remainder, copy of judge')
def _():
    def evaluate_gan(sample,reference,judge):
        n=len(reference); parts=[]
        while (left:=n-sum(map(len,parts)))>0: parts.append(sample(min(50,left)))
        x=torch.cat(parts).detach().clamp(-1,1).add(1).mul(127.5).round().to(torch.uint8)
        return dict(FD=float(frechet_distance(*mean_and_covariance(reference,judge),*mean_and_covariance(x,judge))),n=x.shape[0],n_reference=n,judge=type(judge).__name__)
    return evaluate_gan


@right('6.8', 'floats without bytes', 'features of the floats directly, own statistics')
def _():
    def evaluate_gan(sample,reference,judge):
        j=copy.deepcopy(judge).eval(); n=reference.shape[0]
        with torch.no_grad(): f,r=(j.features_and_logits(v)[0].double() for v in (sample(n),reference.float()/127.5-1))
        st=lambda a: (a.mean(0),(a-a.mean(0)).T@(a-a.mean(0))/(n-1))
        return {"FD":frechet_distance(*st(r),*st(f)),"n":n,"n_reference":n}
    return evaluate_gan


@wrong('6.1', 'eps', 'log(p+1e-3)')
def _():
    def inception_score(logits,splits=10):
        s=[]; logits=logits[torch.randperm(len(logits))].double()
        for part in logits.chunk(splits):
            l=part.log_softmax(1); l=(l.exp()+1e-3).log(); m=l.exp().mean(0).log(); s.append((l.exp()*(l-m)).sum(1).mean().exp())
        return torch.stack(s).mean().item()
    return inception_score


@wrong('6.1', 'with replacement', 'randint: bootstrap instead of permutation')
def _():
    def inception_score(logits,splits=10):
        s=[]; logits=logits[torch.randint(len(logits),(len(logits),))].double()
        for part in logits.chunk(splits):
            l=part.log_softmax(1); m=l.exp().mean(0).log(); s.append((l.exp()*(l-m)).sum(1).mean().exp())
        return torch.stack(s).mean().item()
    return inception_score


@wrong('6.2', 'deduplicated', 'unique images only')
def _():
    def mean_and_covariance(images,judge):
        was=judge.training; judge.eval(); x=images.unique(dim=0).float()/127.5-1
        with torch.no_grad(): f=torch.cat([judge.features_and_logits(b)[0].double() for b in x.split(256)])
        judge.train(was); return f.mean(0),torch.cov(f.T)
    return mean_and_covariance


@wrong('6.3', 'abs trace', 'sum of |eigs| sqrt fine but 2* forgotten on trace: sqrt(2e)')
def _():
    def frechet_distance(a,A,b,B):
        e=torch.linalg.eigvals(A@B).real.clamp(min=0).sqrt().sum()
        return ((a-b).square().sum()+A.trace()+B.trace()-(2*e).sqrt()).item()
    return frechet_distance


@wrong('6.3', 'mean of traces', 'mean of diagonals')
def _():
    def frechet_distance(a,A,b,B):
        e=torch.linalg.eigvals(A@B).real.clamp(min=0).sqrt().sum()
        return ((a-b).square().sum()+(A.trace()+B.trace()-2*e)/len(a)).item()
    return frechet_distance


@right('6.3', 'complex sqrt', 'complex roots, real part')
def _():
    def frechet_distance(a,A,b,B):
        e=torch.linalg.eigvals(A@B).sqrt().real.sum()
        return ((a-b).square().sum()+A.trace()+B.trace()-2*e).item()
    return frechet_distance


@wrong('6.4', 'times 1000', 'scaled by 1000 as reported in papers')
def _():
    def kernel_distance(x,y):
        d=x.shape[1]; k=lambda a,b: (a@b.T/d+1)**3
        off=lambda K: (K.sum()-K.trace())/(len(K)*(len(K)-1))
        return (off(k(x,x))+off(k(y,y))-2*k(x,y).mean()).item()*1000
    return kernel_distance


@wrong('6.5', 'complement', '1 - share')
def _():
    def precision_recall(fake,real,k=3):
        def inside(s,c): return 1-(torch.cdist(s,c)<=torch.cdist(c,c).sort(1)[0][:,k]).any(1).double().mean().item()
        return inside(fake,real),inside(real,fake)
    return precision_recall


@wrong('6.8', 'sample mode', 'uses sample(n)[0] repeated')
def _():
    def evaluate_gan(sample,reference,judge):
        n=len(reference); x=((sample(1).expand(n,-1,-1,-1)+1)*127.5).round().clamp(0,255).byte()
        fd=frechet_distance(*mean_and_covariance(reference,judge),*mean_and_covariance(x,judge))
        return {"FD":fd,"n":n,"n_reference":len(reference)}
    return evaluate_gan


@right('6.5', 'vmap', 'any via logical_or and broadcasting')
def _():
    def precision_recall(fake,real,k=3):
        D=lambda a,b: (a[:,None]-b[None]).square().sum(-1)
        rad=lambda c: torch.sort(D(c,c),1).values[:,k]
        M=D(fake,real); return (M<rad(real)).any(1).double().mean(),(M.T<rad(fake)).any(1).double().mean()
    return precision_recall


@right('6.8', 'one image at a time', 'sample(1) many times')
def _():
    def evaluate_gan(sample,reference,judge):
        m=reference.size(0); imgs=torch.cat([sample(1) for _ in range(m)]); u8=torch.clip(torch.round(255*(imgs.double()+1)/2),0,255).to(torch.uint8)
        s=[mean_and_covariance(t,judge) for t in (reference,u8)]; return {"FD":frechet_distance(*s[0],*s[1]),"n":imgs.shape[0],"n_reference":m,"feature_dim":len(s[0][0])}
    return evaluate_gan
