"""Words that people type to find a page: a hook of mkdocs, see mkdocs.yml.

The search of the site finds the words of a page. Other names of the same concept stand here, and
the search shows them as tags. `tests/docs/test_site.py` says which page must be found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page

WORDS: Final = {
    "index": ["hyperparameter sweep", "hyperparameter tuning", "experiment runner"],
    "spaces": ["grid search", "random search", "parameter sweep", "conditional parameters"],
    "fields": ["search space", "log-uniform", "categorical", "dataclass", "API key"],
    "settings": ["random seed", "configuration", "reproducibility"],
    "data": ["shared memory", "data set", "numpy array"],
    "running": [
        "timeout",
        "retry",
        "Ctrl-C",
        "interrupt",
        "crash",
        "progress bar",
        "out of memory",
    ],
    "command": ["CLI", "argparse", "dry run", "shell completion"],
    "overrides": ["command-line arguments", "CLI"],
    "resume": ["cache", "memoize", "resume", "skip finished runs"],
    "engines": ["multiprocessing", "parallel", "asyncio", "threads", "joblib", "spawn"],
    "resources": ["GPU", "CUDA", "CPU cores", "memory limit"],
    "steps": ["learning curve", "training loop", "callback", "intermediate results"],
    "stopping": ["early stopping", "pruning", "hyperband", "successive halving", "ASHA"],
    "strategies": ["Bayesian optimization", "Optuna", "TPE", "CMA-ES", "multi-objective"],
    "checkpoints": ["checkpoint", "resume training", "preemption"],
    "training": ["PyTorch", "Keras", "lr schedule", "learning rate", "deep learning"],
    "dask": ["cluster", "distributed"],
    "ray": ["cluster", "distributed"],
    "schedulers": ["SLURM", "PBS", "job array", "sbatch", "cluster"],
    "results": ["pandas", "parquet", "CSV", "average over seeds", "feature importance"],
    "plots": ["matplotlib", "figure", "heat map", "learning curve"],
    "page": ["dashboard", "HTML report", "parallel coordinates"],
    "provenance": ["git commit", "code version", "reproducibility"],
    "coming_from": ["W&B", "wandb", "Ray Tune", "Optuna"],
    "from_scripts": ["Hydra", "Sacred", "argparse", "YAML", "config file"],
    "recipes": ["cross-validation", "scikit-learn", "LightGBM", "LLM", "API rate limit"],
    "notebook": ["Jupyter", "VS Code", "Colab"],
    "why": ["comparison", "alternatives"],
}


def on_page_markdown(markdown: str, *, page: Page, **_: Any) -> str:
    """Give a page its words as tags.

    Args:
        markdown: The text of the page, which stays as it is.
        page: The page.

    Returns:
        The same text.
    """
    name = page.file.src_uri.removesuffix(".md")
    if name in WORDS:
        page.meta["tags"] = WORDS[name]
    return markdown
