"""Evaluates mattes, from the configuration of a run to its results."""

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from gfm.checkpoints import choose_inferer, load_network
from gfm.checkpoints.sources import find_checkpoint
from gfm.compat.hydra import instantiate, to_plain
from gfm.data.layout import Photo
from gfm.errors import GFMError
from gfm.evaluation import (
    Journal,
    MatteSource,
    NetworkSource,
    PredictionSource,
    Scorer,
    log_results,
    write_results,
)
from gfm.metrics import metric_names, metric_units
from gfm.models.hardware import speed_up_inference
from gfm.run.bounds import check_bounds
from gfm.run.machine import decide
from gfm.run.summary import metrics_table
from gfm.system.console import console, open_log
from gfm.system.files import (
    fingerprint_of_content,
    fingerprint_of_files,
    remove_stale,
    write_text,
)
from gfm.system.locks import folder_lock
from gfm.system.ranks import creates_processes_externally, is_global_zero


def choose_source(config: dict[str, Any], photos: list[Photo]) -> MatteSource:
    """Return what makes the mattes: a network, or a folder of files."""
    if config["predictions"] is not None:
        return PredictionSource(Path(config["predictions"]), photos, config["allow_missing"])
    path = find_checkpoint(config["checkpoint"])
    model, checkpoint = load_network(path, tuple(config["trust"]))
    facts = {
        "checkpoint": str(path),
        "encoder": checkpoint.encoder_name,
        "RoSTA": checkpoint.model["rosta"].upper(),
    }
    inferer = choose_inferer(checkpoint, config["inference"])
    trainer = instantiate(config["trainer"])
    speed_up_inference(model, trainer.strategy.root_device.type, str(trainer.precision))
    return NetworkSource(model, inferer, trainer, fingerprint_of_content(path), facts)


def describe(config: dict[str, Any], photos: list[Photo]) -> tuple[dict[str, str], dict[str, str]]:
    """Describe the data and how they are scored.

    Returns:
        The settings that must be the same for an interrupted evaluation to go on, and the facts
        that the report shows.
    """
    digest = fingerprint_of_files(path for p in photos for path in (p.image, p.alpha, p.trimap))
    name, protocol = config["data"]["name"], config["protocol"]
    has_trimaps = any(photo.trimap for photo in photos)
    facts = {
        "data": f"{name}, {len(photos)} photos",
        "trimaps": "from files" if has_trimaps else "made from the alphas",
        "protocol": protocol,
    }
    protocol = " + ".join([protocol, *config["extra_metrics"]])
    settings = {"data": f"{name} {digest}", "protocol": protocol}
    if config["checkpoint"] is not None:
        score, bits = config["score"], config["alpha_bits"]
        settings |= {"score": score, "alpha_bits": str(bits)}
        facts["scored"] = "the network's floats" if score == "float" else f"files of {bits} bits"
    return settings, facts


def make_scorer(config: dict[str, Any], folder: Path, journal: Journal) -> Scorer:
    """Build the scorer, which writes to the folder of the evaluation."""
    extra = {name: instantiate(node) for name, node in config["extra_metrics"].items()}
    how = {"score": config["score"], "alpha_bits": config["alpha_bits"]}
    return Scorer(folder / "alpha", config["protocol"], journal, extra, **how)


def _check_objective(config: dict[str, Any]) -> None:
    names = metric_names(config["protocol"], config["extra_metrics"])
    if config["objective"] not in (*names, None):
        raise GFMError(
            f"objective={config['objective']} is not measured: choose one of {', '.join(names)}"
        )


def publish(
    config: dict[str, Any], journal: Journal, photos: list[Photo], facts: dict[str, str]
) -> dict[str, Any]:
    """Write, log and print the results, and return the means."""
    rows, folder = journal.rows(), journal.folder.parent
    if not rows:
        raise GFMError("no photo was scored: set trainer.limit_test_batches=null for all of them")
    units = metric_units(config["protocol"])
    summary = write_results(folder, rows, photos, facts, units)
    loggers = map(instantiate, (config["logger"] or {}).values())
    log_results(loggers, summary, rows, {**config, **facts}, photos, folder / "alpha")
    title = f"{facts['data']}, {facts['protocol']} protocol"
    if "inference" in facts:
        title += f", {facts['inference']}, {facts['scored']} scored"
    console().print(metrics_table(title, summary, units))
    console().print(f"report: {folder / 'report.html'}", highlight=False)
    return summary


def evaluate(cfg: DictConfig) -> tuple[dict[str, float], dict[str, Any]]:
    """Score the mattes of a network or a folder, and write the results.

    Returns:
        The means, and the objects of the run by name.

    Raises:
        GFMError: Another run is using the folder, or the input is at fault.
    """
    with folder_lock(Path(cfg.paths.run)):
        return _evaluate(cfg)


def _evaluate(cfg: DictConfig) -> tuple[dict[str, float], dict[str, Any]]:
    folder = Path(cfg.paths.run)
    if creates_processes_externally() and folder == Path(HydraConfig.get().runtime.output_dir):
        raise GFMError("these processes need a folder in common: set paths.run=<folder>")
    if is_global_zero():
        open_log(folder / "evaluate.log")
        remove_stale(folder, "**/.*.tmp")
    check_bounds(to_plain(cfg))
    cfg, _ = decide(cfg)
    config = to_plain(cfg)
    if (config["checkpoint"] is None) == (config["predictions"] is None):
        raise GFMError("set either checkpoint=<weights> or predictions=<folder of PNG mattes>")
    datamodule = instantiate(config["datamodule"])
    datamodule.setup("test")
    photos = datamodule.validation.photos
    source = choose_source(config, photos)
    settings, facts = describe(config, photos)

    journal = Journal(folder / "journal")
    scorer = make_scorer(config, folder, journal)
    _check_objective(config)
    done = journal.begin({**source.settings, **settings})
    if is_global_zero():
        write_text(folder / "config.yaml", OmegaConf.to_yaml(cfg, resolve=True))
    available = source.available(photos)
    left = [p for p in available if p.name not in done or not scorer.path(p.name).is_file()]
    num_done = len(available) - len(left)
    if num_done:
        console().print(f"going on in {folder}: {num_done} of {len(available)} photos are scored")
    if not source.run(left, datamodule.num_workers, num_done, scorer):
        return {}, {}  # another process writes the results

    if isinstance(source, NetworkSource):
        config["num_parameters"] = sum(p.numel() for p in source.model.parameters())
    summary = publish(config, journal, photos, {**source.facts, **facts})
    source.finish()
    return summary, {"folder": folder, "rows": journal.rows()}
