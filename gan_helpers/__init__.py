"""gan_helpers: the small package behind the course notebooks. Use it as `import gan_helpers as gh`.

Names load when they are first used, so that `import gan_helpers` costs little more than torch.
"""

import importlib

__version__ = "0.1.0"

# Public name -> module that holds it. One table, so that a reader sees the whole package at once.
_EXPORTS = {
    "settings": ["budget", "data_dir", "is_fast", "pick_device", "set_seed"],
    "synthetic": ["draw_digits", "draw_shapes"],
    "datasets": ["DatasetUnavailable", "ImageDataset", "load_dataset"],
    "models": [
        "InstanceNoise", "MLPDiscriminator", "MLPGenerator", "Packing", "WideDiscriminator",
        "WideGenerator", "build_pair", "describe",
    ],
    "sampling": ["draw", "generate", "to_display"],
    "runs": ["TrainingRun"],
    "callbacks": ["AnnealPenalty", "Averaging", "KeepBest", "LRSchedule", "SpectralProjection"],
    "training": ["train"],
    "diagnostics": ["Instruments", "verify_pair"],
    "toys": ["anneal"],
    "plotting": [
        "describe_samples", "plot_comparison", "plot_history", "rates", "show", "show_grids",
        "show_images", "show_snapshots", "subplots",
    ],
    "experiments": ["Comparison", "compare_runs", "signs_of_convergence"],
}  # fmt: skip
_MODULES = [
    *_EXPORTS, "losses", "checkpoints", "run_folder", "verify", "live", "judges",
    "metrics", "pretrained",
]  # fmt: skip
_HOME = {name: module for module, names in _EXPORTS.items() for name in names}
__all__ = sorted({*_HOME, *_MODULES})


def __getattr__(name: str):
    if name in _HOME:
        return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
