"""A network's floats are scored or, on request, the files written from them."""

import numpy as np
import pytest

from gfm.data.images import read_alpha, read_matte
from gfm.data.trimap import trimap_from_alpha
from gfm.errors import GFMError
from gfm.evaluation.scoring import Scorer
from gfm.metrics import matting_metrics
from tests.evaluation.conftest import SIZES, read_rows


@pytest.fixture
def floats(monkeypatch) -> dict[str, np.ndarray]:
    """The network's mattes by photo, as passed to the scorer."""
    seen = {}
    add = Scorer.add
    monkeypatch.setattr(
        Scorer, "add", lambda self, m, s: (seen.update({s["name"][0]: m}), add(self, m, s))
    )
    return seen


def expected(matte, data, name) -> dict[str, float]:
    target = read_alpha(data / f"alphas/{name}.png")
    return matting_metrics(matte, target / np.float32(255), trimap_from_alpha(target, 25))


def test_the_networks_floats_are_scored(run, weights, data, floats):
    summary, folder = run(f"checkpoint={weights}")
    scores = read_rows(folder)
    for name in SIZES:
        assert floats[name].dtype == np.float32
        assert scores[name] == pytest.approx(expected(floats[name], data, name), rel=1e-9)
        # Files are rounded, not truncated.
        file = read_matte(folder / f"alpha/{name}.png")
        np.testing.assert_array_equal(file, np.rint(floats[name] * 255).astype(np.uint8))
    assert summary["sad"] == pytest.approx(np.mean([row["sad"] for row in scores.values()]))


@pytest.mark.parametrize(("bits", "dtype"), [(8, np.uint8), (16, np.uint16)])
def test_files_are_scored_on_request(run, weights, data, floats, bits, dtype):
    _, folder = run(f"checkpoint={weights}", "score=png", f"alpha_bits={bits}")
    differences = []
    for name, row in read_rows(folder).items():
        file = read_matte(folder / f"alpha/{name}.png")
        assert file.dtype == dtype
        matte = file.astype(np.float32) / np.iinfo(dtype).max
        assert np.abs(matte - floats[name]).max() <= 0.5 / np.iinfo(dtype).max + 1e-7
        assert row == pytest.approx(expected(matte, data, name), rel=1e-9)
        differences.append(row["sad"] - expected(floats[name], data, name)["sad"])
    assert any(differences)  # a matte of 0 and 1 alone is not rounded
    assert f"files of {bits} bits" in (folder / "report.html").read_text()


def test_options_of_a_network_do_not_affect_predictions(run, data, mattes):
    (mattes / "a.png").unlink()
    np.save(mattes / "a.npy", read_alpha(data / "alphas/a.png") * (0.999 / 255))
    figures = [
        run(f"predictions={mattes}", *choice, folder=str(i))[0]
        for i, choice in enumerate([(), ("score=png",), ("alpha_bits=16",)])
    ]
    assert figures[1:] == figures[:-1]


def test_scores_of_files_are_reproduced_from_the_files(run, weights):
    summary, folder = run(f"checkpoint={weights}", "score=png")
    again, _ = run(f"predictions={folder / 'alpha'}", folder="again")
    assert again == summary


def test_the_table_names_inference_and_scoring(run, weights, capsys):
    run(f"checkpoint={weights}", "inference=resize")
    title = " ".join(capsys.readouterr().out.split())
    assert (
        "resize(scale=0.5, max_size=1600, shorter_side=1080), the network's floats scored" in title
    )


def test_nan_is_refused(run, weights, monkeypatch):
    add = Scorer.add
    monkeypatch.setattr(Scorer, "add", lambda self, matte, s: add(self, matte * np.nan, s))
    with pytest.raises(GFMError, match=r"photo a: the network's matte is not in \[0, 1\]"):
        run(f"checkpoint={weights}")
