"""Every mistake that a check can name: id -> what it is, in a phrase.

The ids are shared by all notebooks, so that one name means one thing throughout the course. A
notebook's module may add its own with `MISTAKES.update({...})`. `WAITING` keeps the names that no
exercise uses yet: when its notebook is written, a name moves up.
"""

from __future__ import annotations

MISTAKES: dict[str, str] = {
    # the training step
    "step-no-detach": "D's loss is sent back through the generator",
    "step-detach-in-g": "in G's step the fakes are cut off from G",
    "step-no-zero-grad": "gradients of earlier steps are never cleared",
    "step-g-grad-left-in-d": "gradients that G's step left in D go into D's next step",
    "step-wrong-optimizer": "one network's loss steps the other network's optimiser",
    "step-one-optimizer": "one optimiser holds the parameters of both networks",
    "step-retain-graph": "a graph is kept with retain_graph and used twice",
    "step-g-targets-fake": "G is trained toward the target 'fake'",
    "step-swapped-labels": "real and fake targets are exchanged in D's step",
    "step-only-real": "D's loss has only its real term",
    "step-only-fake": "D's loss has only its fake term",
    "step-same-noise": "every step draws the same noise",
    "step-globals": "the notebook's networks are used, not the ones passed in",
    # the loop
    "loop-d-steps-inverted": "G is trained d_steps times for each D step",
    "loop-same-batch": "D sees the same real batch at every step",
    # losses and labels
    "loss-double-sigmoid": "a sigmoid's output is treated as a logit",
    "loss-no-sigmoid": "logits are treated as probabilities",
    "loss-log-sigmoid-nan": "log(sigmoid(x)) by hand: not finite at large logits",
    "loss-sigmoid-flat": "probabilities first, then the loss: no slope at large logits",
    "loss-saturating": "the saturating generator loss where the other was asked",
    "loss-nonsaturating-sign": "log D(G(z)) is minimised where it should be maximised",
    "loss-integer-targets": "targets are integers",
    "loss-sum-not-mean": "summed over the batch where the mean was asked",
    "loss-half-sum": "D's two terms are averaged where their sum was asked",
    "loss-smooth-wrong-way": "smoothed targets exchanged, or a real target above 1",
    "loss-targets-ignored": "the targets in the arguments are not used",
    # optimisers
    "optim-lr": "another learning rate than the one asked for",
    "optim-betas": "other betas than the ones asked for",
    # architecture and initialisation
    "arch-no-output-activation": "no tanh at G's output",
    "arch-sigmoid-output": "sigmoid at G's output",
    "arch-relu-output": "ReLU at G's output",
    "arch-bn-output": "BatchNorm on G's output or on D's input layer",
    "arch-64-on-32": "a network for larger images than these",
    "arch-z-shape": "z of shape (N, n) given to a transposed convolution",
    "arch-no-nonlinearity": "linear layers with nothing between them",
    "arch-bn-eps": "BatchNorm's second argument is eps, not momentum",
    "arch-unregistered": "layers that parameters() does not find",
    # data and pictures
    "hardcoded-size": "a size is written as a number, so the argument has no effect",
    "data-range": "images in [0, 1] against a tanh generator",
    "plot-range": "values in [-1, 1] drawn as if they were in [0, 1]",
    "plot-per-image-scale": "each image stretched to its own range",
    "plot-batch-scale": "the batch stretched to its own range",
    "plot-new-noise": "new noise for every snapshot",
    # conditional GANs
    "cond-d-blind": "D does not see the label",
    "cond-embedding-shared-size": "the embedding has the size of the batch or of z",
    "cond-index-as-float": "the class index is used as a number",
    "cond-one-class": "one label for the whole batch of fakes",
    # metrics
    "is-kl-reversed": "KL(p(y) || p(y|x)) where KL(p(y|x) || p(y)) was asked",
    "is-logits": "logits are used as probabilities",
    "is-sorted-splits": "splits of samples sorted by class",
    "fid-rowvar": "samples are taken for variables in the covariance",
    "fid-no-square": "the difference of the means is not squared",
    "fid-missing-two": "the factor 2 before the root term is missing",
    "fid-n-mismatch": "different numbers of samples are compared",
    "fid-range": "images in the wrong range, or normalised twice",
    "fid-train-mode": "the feature network is in train mode",
}

# id -> (the notebook whose exercises will name it, what it is)
WAITING: dict[str, tuple[int, str]] = {
    "gp-alpha-normal": (7, "the mixing factor is drawn from a normal distribution"),
    "gp-alpha-shape": (7, "the mixing factor is drawn per pixel, or once for the batch"),
    "gp-batchnorm": (7, "BatchNorm in a critic under a gradient penalty"),
    "gp-no-create-graph": (7, "the penalty's gradient is taken without create_graph"),
    "gp-one-sided": (7, "only norms above 1 are penalised"),
    "wgan-sigmoid": (7, "the critic keeps its sigmoid or cross-entropy"),
    "wgan-sign": (7, "the critic's loss has the wrong sign"),
}
