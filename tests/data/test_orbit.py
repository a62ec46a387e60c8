"""The bundled pictures: what they score, and that they are the ones that the code draws."""

import os

import numpy as np
import pytest
from PIL import Image

from avanet.data import bundled, load
from avanet.data.orbit import draw_orbit, write_orbit
from avanet.errors import InputError

# Of the 36 images behind the published tables: white, black, gray and mean image against each of
# them, and the mean and standard deviation of their red, green and blue.
SCORES = {"mid-gray": 0.2184, "mean image": 0.0498, "white": 0.2377, "black": 0.2730}
MEANS, DEVIATIONS = (0.534, 0.680, 0.413), (0.256, 0.202, 0.221)


@pytest.fixture(scope="module")
def orbit() -> np.ndarray:
    return load("orbit").pixels.astype(float)


def score(images, picture) -> float:
    """Mean of |d (1 - d)| over pixels and images, d the RGB distance of two pixels."""
    d = np.sqrt(((images - picture)**2).sum(-1))
    return np.abs(d * (1 - d)).mean()


def test_trivial_images_score_as_on_the_published_set(orbit):
    trivial = {"mid-gray": 0.5, "mean image": orbit.mean(0), "white": 1.0, "black": 0.0}
    for name, picture in trivial.items():
        assert score(orbit, picture) == pytest.approx(SCORES[name], abs=0.003), name


def test_the_table_in_the_readme_is_what_they_score(orbit):
    readme = (bundled.bundled_folder("orbit").parent / "README.md").read_text()
    trivial = {"mid-gray": 0.5, "mean image": orbit.mean(0), "white": 1.0, "black": 0.0}
    for name, picture in trivial.items():
        assert f"| {name} | {score(orbit, picture):.4f} | {SCORES[name]:.4f} |" in readme


def test_channels_are_spread_as_in_the_published_set(orbit):
    np.testing.assert_allclose(orbit.mean((0, 1, 2)), MEANS, atol=0.015)
    np.testing.assert_allclose(orbit.std((0, 1, 2)), DEVIATIONS, atol=0.015)


def test_the_bundled_files_are_what_is_drawn():
    drawn = draw_orbit()
    assert drawn.dtype == np.uint8 and drawn.shape == (36, 64, 100, 3)
    np.testing.assert_array_equal(np.rint(load("orbit").pixels * 255), drawn)


def test_every_picture_differs_from_every_other():
    assert len(np.unique(draw_orbit().reshape(36, -1), axis=0)) == 36


def test_a_small_figure_moves_before_a_fixed_background(orbit):
    background = np.median(orbit, axis=0)
    moved = np.abs(orbit - background).max(-1) > 0.05
    assert 0.04 < moved.mean() < 0.12
    assert (moved.mean((1, 2)) > 0.02).all()


def test_a_seed_draws_its_own_landscape_again_and_again():
    first, again, other = draw_orbit(2, seed=1), draw_orbit(2, seed=1), draw_orbit(2, seed=2)
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5
    np.testing.assert_array_equal(draw_orbit(4, seed=1)[:2], first)


def test_a_larger_picture_shows_the_same_scene():
    large, small = draw_orbit(2, size=(200, 128)).astype(float), draw_orbit(2).astype(float)
    assert large.shape == (2, 128, 200, 3)
    halved = large.reshape(2, 64, 2, 100, 2, 3).mean((2, 4))
    assert np.abs(halved - small).mean() < 3
    assert draw_orbit(1, size=(7, 5)).shape == (1, 5, 7, 3)


def test_writing_gives_the_bundled_files_and_may_be_repeated(tmp_path):
    folder = tmp_path / "new" / "orbit"
    write_orbit(folder)
    write_orbit(folder)
    assert sorted(path.name for path in folder.iterdir()) == [f"{i:02}.png" for i in range(1, 37)]
    assert load(folder).checksum == load("orbit").checksum
    with Image.open(folder / "01.png") as image:
        assert image.mode == "RGB" and image.size == (100, 64)
    assert sum(path.stat().st_size for path in folder.iterdir()) < 400_000


def test_writing_refuses_a_folder_with_other_files(tmp_path):
    (tmp_path / "diary.txt").write_text("dear diary")
    with pytest.raises(InputError, match="holds diary.txt"):
        write_orbit(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["diary.txt"]


def test_writing_needs_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "orbit"):
        with pytest.raises(InputError, match="cannot write the images"):
            write_orbit(place)


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX ones here")
def test_writing_needs_permission(reachable, unprivileged):
    reachable.chmod(0o555)
    with unprivileged():
        for folder in (reachable, reachable / "orbit"):
            with pytest.raises(InputError, match="Permission denied"):
                write_orbit(folder)


def test_the_bundled_folder_is_found_installed_and_in_the_source_tree(tmp_path, monkeypatch):
    module = tmp_path / "avanet" / "data" / "bundled.py"
    monkeypatch.setattr(bundled, "__file__", str(module))
    with pytest.raises(InputError, match="lacks its bundled images"):
        bundled.bundled_folder("orbit")
    for folder in (tmp_path / "data" / "orbit", tmp_path / "avanet" / "bundled" / "orbit"):
        folder.mkdir(parents=True)
        assert bundled.bundled_folder("orbit") == folder
