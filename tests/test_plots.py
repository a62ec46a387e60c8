"""Figure 5 and contact sheets: what is drawn, the same bytes again, and a missing matplotlib."""

import io
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from avanet import plots
from avanet.errors import InputError
from avanet.plots import (
    PANELS, MissingExtra, _bars, contact_sheet, figure5, grid_pixels, image_grid,
)

VALUES = {"published": {"ava1": (0.21, 0.23, 0.17, 0.02), "gan": (0.20, 0.22, 0.16, 0.03)},
          "as-run": {"ava1": (0.22, 0.24, 0.18, float("nan"))}}
SPREAD = {"as-run": {"ava1": (0.01, 0.02, 0.03, float("nan"))}}


def svg_text(files):
    return files["figure5.svg"].decode()


def test_figure_5_is_two_pictures():
    pytest.importorskip("matplotlib")
    files = figure5(VALUES, SPREAD, title="36 images")
    assert sorted(files) == ["figure5.png", "figure5.svg"]
    with Image.open(io.BytesIO(files["figure5.png"])) as picture:
        assert picture.format == "PNG" and picture.size == (1500, 960)
    ElementTree.fromstring(files["figure5.svg"])
    text = svg_text(files)
    for label in (*PANELS, "AVA1", "GAN", "published", "as-run", "36 images",
                  "error bars: SD over seeds"):
        assert f"<!-- {label} -->" in text
    assert "date" not in text.lower()


def test_the_same_numbers_give_the_same_bytes():
    pytest.importorskip("matplotlib")
    assert figure5(VALUES, SPREAD) == figure5(VALUES, SPREAD)
    changed = {**VALUES, "as-run": {"ava1": (0.12, 0.24, 0.18, 0.05)}}
    assert figure5(changed, SPREAD) != figure5(VALUES, SPREAD)


def test_a_user_s_style_does_not_change_the_figure():
    matplotlib = pytest.importorskip("matplotlib")
    plain = figure5(VALUES)
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "yellow"}):
        assert figure5(VALUES) == plain
    assert "error bars" not in svg_text(plain)


def test_bars_have_the_heights_and_errors_of_their_numbers():
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    _bars(axes, 1, VALUES, SPREAD)
    published, ours = [bars for bars in axes.containers if hasattr(bars, "patches")]
    assert [bar.get_height() for bar in published] == [0.23, 0.22]
    assert ours[0].get_height() == 0.24 and np.isnan(ours[1].get_height())
    assert published.errorbar is None
    (low, high), *_ = ours.errorbar.lines[2][0].get_segments()
    assert (low[1], high[1]) == pytest.approx((0.22, 0.26))
    assert axes.get_ylim()[0] == 0
    # the group of bars is centred on its tick and groups do not touch
    edges = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in (published[0], ours[0])]
    assert edges[0][0] == pytest.approx(-edges[1][1]) and edges[1][1] < 0.5


def test_a_missing_matplotlib_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingExtra, match=r"figure5.png and figure5.svg not drawn: install "
                                           r"avanet\[app\]") as caught:
        figure5(VALUES)
    assert isinstance(caught.value, InputError)


def test_optional_packages_load_on_first_use():
    code = ("import sys, avanet.plots, avanet.tables\n"
            "sys.exit(any(name in sys.modules for name in ('matplotlib', 'rich', 'numba')))")
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


@settings(max_examples=25)
@given(count=st.integers(1, 9), columns=st.integers(1, 4), height=st.integers(1, 12),
       width=st.integers(1, 90))
def test_a_contact_sheet_holds_every_pixel_and_label(count, columns, height, width):
    # colours without black or white, so that images and labels can be told from each other
    rng = np.random.default_rng(count)
    images = [(f"AVA{k} 0.{k}", rng.integers(50, 200, (height, width, 3), dtype=np.uint8))
              for k in range(count)]
    with Image.open(io.BytesIO(contact_sheet(images, columns))) as picture:
        sheet = np.asarray(picture.convert("RGB"))
    windows = np.lib.stride_tricks.sliding_window_view(sheet, (height, width), axis=(0, 1))
    corners = []
    for _, image in images:
        found = np.argwhere((windows == image.transpose(2, 0, 1)).all(axis=(2, 3, 4)))
        assert len(found), "an image is not on the sheet unchanged"
        corners.append(tuple(found[0]))
    if height * width > 3:
        rows = [corners[k:k + columns] for k in range(0, count, columns)]
        assert all(len({y for y, _ in row}) == 1 for row in rows)
        assert all(row == sorted(row) for row in rows)
        assert sorted(corners) == corners
        for y, x in corners:
            below = sheet[y + height:y + height + 12, max(0, x + width // 2 - 20):][:, :40]
            assert (below < 128).any(), "an image has no label"


def test_a_grid_of_images_enlarged_by_whole_factors():
    images = np.linspace(0, 1, 3 * 2 * 3).reshape(3, 2, 3, 1)
    with Image.open(io.BytesIO(image_grid(images, columns=2, margin=1, least=4))) as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (1 + 2 * (4 + 1), 1 + 2 * (6 + 1))
    expected = np.rint(images[2, ..., 0] * 255).astype(np.uint8)
    np.testing.assert_array_equal(pixels[6:10:2, 1:7:2], expected)
    np.testing.assert_array_equal(pixels[7:10:2, 2:7:2], expected)
    assert (pixels[6:, 8:] == 255).all() and (pixels[0] == 255).all()


@pytest.mark.parametrize("channels, shape", [(1, (10, 10)), (3, (10, 10, 3)), (2, (10, 10))])
def test_a_grid_of_other_channels(channels, shape):
    assert grid_pixels(np.zeros((4, 2, 2, channels))).shape == shape


CURVES = {"one": [plots.Curve("ours", [1, 2, 3], [3.0, 2.0, 1.0]),
                  plots.Curve("published", [1, 2, 3], [3.0, 2.5, 2.0], 1, True)],
          "two": [plots.Curve("ours", [1, 2], [0.0, 1.0], 2)]}


def test_curves_and_clouds_are_pictures_and_the_same_every_time():
    pytest.importorskip("matplotlib")
    points = np.random.default_rng(0).standard_normal((30, 2))
    for draw in (lambda: plots.curves("losses", CURVES, "step", "loss"),
                 lambda: plots.clouds("losses", {"a": (points, np.arange(30) % 3),
                                                 "b": (points, np.zeros(0, int))})):
        files = draw()
        assert list(files) == ["losses.png", "losses.svg"]
        Image.open(io.BytesIO(files["losses.png"])).load()
        assert files == draw()


def test_a_legend_names_every_curve():
    pytest.importorskip("matplotlib")
    svg = plots.curves("losses", CURVES, "step", "loss")["losses.svg"].decode()
    for text in ("ours", "published", "one", "two", "step"):
        assert f"<!-- {text} -->" in svg


@pytest.mark.parametrize("draw", [lambda: plots.curves("losses", CURVES, "step", "loss"),
                                  lambda: plots.clouds("losses", {})])
def test_without_matplotlib_the_figure_is_named(draw, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(plots.MissingExtra, match="losses.png and losses.svg not drawn"):
        draw()
