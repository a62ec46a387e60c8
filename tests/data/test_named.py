"""One syntax for names and paths, folders read lazily, and downloads from a local server."""

import gzip
import hashlib
import socket
import sys
import threading
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from avanet.data import FolderImages, load, load_dataset, named, read_folder
from avanet.data.arrays import write_npz
from avanet.errors import InputError

X = np.random.default_rng(0).integers(0, 256, (6, 4, 5)).astype(np.uint8)
Y = np.arange(6, dtype=np.uint8)
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
         "t10k-labels-idx1-ubyte")
CONTENTS = {
    "train-images-idx3-ubyte":
        bytes([0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 4, 0, 0, 0, 5]) + X.tobytes(),
    "train-labels-idx1-ubyte": bytes([0, 0, 8, 1, 0, 0, 0, 6]) + Y.tobytes(),
    "t10k-images-idx3-ubyte":
        bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 5]) + bytes(20),
    "t10k-labels-idx1-ubyte": bytes([0, 0, 8, 1, 0, 0, 0, 1, 9]),
}
SHARED = Path(__file__).parents[2] / "../shared/data"


def refusal(function, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        function(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A root with MNIST's small double and one npz set; the user's own are out of sight."""
    monkeypatch.delenv("AVANET_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "root"
    (folder / "mnist").mkdir(parents=True)
    for name, content in CONTENTS.items():
        (folder / "mnist" / f"{name}.gz").write_bytes(gzip.compress(content))
    write_npz(folder / "omniglot.npz", x_train=X, y_train=Y)
    return folder


@pytest.fixture
def pictures(tmp_path):
    """Three RGB pictures, 5 x 4."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(3):
        Image.fromarray(np.stack([X[i], X[i + 1], X[i + 2]], axis=-1)).save(folder / f"{i}.png")
    return folder


# --- names and paths ----------------------------------------------------------------------------

def test_a_name_is_found_under_the_root(root, tmp_path, monkeypatch):
    dataset = load_dataset("mnist", root=root)
    np.testing.assert_array_equal(dataset["train"].images[..., 0], X)
    assert dataset["test"].labels.tolist() == [9]
    assert dataset.class_names == tuple("0123456789") and dataset.source == "mnist"
    assert load_dataset("omniglot", root=root).n_classes == 6
    monkeypatch.setenv("AVANET_DATA", str(root))
    assert len(load_dataset("mnist")["train"]) == 6
    assert named.data_root(tmp_path) == tmp_path
    monkeypatch.setenv("AVANET_DATA", "")
    assert named.data_root() == tmp_path / "cache" / "avanet" / "data"
    assert "mnist is not in" in refusal(load_dataset, "mnist")


def test_a_path_is_an_npz_file_or_idx_files_or_pictures(root, pictures):
    assert len(load_dataset(root / "omniglot.npz")["train"]) == 6
    assert len(load_dataset(str(root / "mnist"))["test"]) == 1
    assert load_dataset(pictures)["train"].images.shape == (3, 4, 5, 3)


def test_a_name_goes_before_a_file_of_that_name(pictures, monkeypatch):
    monkeypatch.chdir(pictures.parent)
    pictures.rename("digits")
    assert load_dataset("digits").n_classes == 10
    assert load_dataset("./digits").shape == (4, 5, 3)


def test_every_kind_is_cropped_and_resized_alike(root, pictures):
    for source in ("mnist", "omniglot", pictures):
        dataset = load_dataset(source, size=(2, 1), crop=(1, 0, 5, 2), root=root)
        pixels = dataset["train"].read(np.array([0]))[0, 0, :, 0]
        mean = X[0, :2, 1:5].reshape(2, 2, 2).mean((0, 2)) / 255
        np.testing.assert_allclose(pixels, mean, atol=1 / 255, err_msg=str(source))


def test_the_bundled_sets_need_no_root():
    digits = load_dataset("digits")
    assert digits["train"].images.shape == (2000, 28, 28, 1) and len(digits["test"]) == 500
    assert load_dataset("orbit").shape == (64, 100, 3)
    np.testing.assert_array_equal(load_dataset("orbit")["train"].read(slice(0, 36)),
                                  load("orbit").pixels)


@pytest.mark.parametrize("name", named.NAMES)
def test_a_set_that_is_there_can_be_read(name):
    if named.locate(name, SHARED) is None:
        pytest.skip(f"{name} is not here (../shared/data)")
    dataset = load_dataset(name, root=SHARED)
    assert dataset["train"].read(np.arange(3)).shape == (3, *dataset.shape)
    assert dataset["train"].read(np.arange(99 if len(dataset["train"]) > 99 else 36)).max() == 1


def test_what_is_not_there_tells_how_to_get_it(root):
    assert "run avanet data download fashion-mnist" in refusal(
        load_dataset, "fashion-mnist", root=root)
    message = refusal(load_dataset, "cifar10", root=root)
    assert f"cifar10 is not in {root}: put cifar10.npz there" in message
    assert "--data-dir or AVANET_DATA" in message
    assert named.locate("mnist", root) == root / "mnist"
    assert named.locate("cifar10", root) is None


def test_what_is_neither_a_name_nor_a_path(root, tmp_path):
    assert "'mnits': did you mean 'mnist'" in refusal(load_dataset, "mnits")
    assert "there is no" in refusal(load_dataset, tmp_path / "none")
    (tmp_path / "x.txt").write_text("text")
    assert "got the file" in refusal(load_dataset, tmp_path / "x.txt")
    (tmp_path / "empty").mkdir()
    assert "no images in" in refusal(load_dataset, tmp_path / "empty")


# --- folders, lazily ----------------------------------------------------------------------------

def test_a_folder_is_read_when_it_is_asked_for(pictures):
    images = FolderImages(pictures)
    eager = read_folder(pictures)
    assert len(images) == 3 and images.shape == eager.pixels.shape and images.names == eager.names
    np.testing.assert_array_equal(images[np.array([2, 0, 2])], eager.pixels[[2, 0, 2]])
    np.testing.assert_array_equal(images[1:], eager.pixels[1:])
    assert images[:0].shape == (0, 4, 5, 3) and images.dtype == images[:1].dtype == np.float32
    (pictures / "1.png").write_bytes(b"damaged")
    assert len(images[np.array([0, 2])]) == 2
    assert "1.png is damaged" in refusal(images.__getitem__, slice(0, 3))


def test_a_folder_resized_is_as_read_at_once(pictures):
    np.testing.assert_array_equal(FolderImages(pictures, size=(3, 2))[:],
                                  read_folder(pictures, size=(3, 2)).pixels)


def test_a_crop_keeps_its_part(pictures):
    cropped = FolderImages(pictures, crop=(1, 0, 4, 2))
    np.testing.assert_array_equal(cropped[:], read_folder(pictures).pixels[:, :2, 1:4])
    gray = Image.fromarray(np.arange(20, dtype=np.uint16).reshape(4, 5) * 1000)
    gray.save(pictures / "0.png")
    np.testing.assert_allclose(cropped[:1][0, :, :, 0] * 65.535,
                               [[1, 2, 3], [6, 7, 8]], rtol=1e-5)


def test_pictures_of_another_size_are_named_when_they_are_read(pictures):
    Image.new("RGB", (4, 4)).save(pictures / "2.png")
    images = FolderImages(pictures)
    assert "0.png is 5 x 4, 2.png 4 x 4" in refusal(images.__getitem__, np.array([2]))
    assert FolderImages(pictures, size=(5, 4))[:].shape == (3, 4, 5, 3)
    assert FolderImages(pictures, crop=(0, 0, 4, 4))[:].shape == (3, 4, 4, 3)
    crop = FolderImages(pictures, crop=(0, 0, 5, 4))
    assert "within 2.png, 4 x 4, got 0 0 5 4" in refusal(crop.__getitem__, slice(None))
    assert "within the image" in refusal(FolderImages, pictures, crop=(2, 2, 2, 3))


# --- downloads ----------------------------------------------------------------------------------

class Handler(BaseHTTPRequestHandler):
    """Serves /good, /other (wrong content), /short (breaks off), /plain (not gzipped)."""

    def __init__(self, requests, *arguments):
        self.asked = requests
        super().__init__(*arguments)

    def do_GET(self):
        self.asked.append(self.path)
        _, kind, name = self.path.split("/")
        content = CONTENTS.get(name.removesuffix(".gz"))
        if kind not in ("good", "other", "short", "plain") or content is None:
            self.send_error(404)
            return
        body = content if kind == "plain" else gzip.compress(
            content if kind != "other" else content[:-1] + b"?")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:-9] if kind == "short" else body)

    def log_message(self, *_):
        """Stay quiet."""


@pytest.fixture
def server(monkeypatch):
    """A local mirror, and the small double's checksums in place of MNIST's."""
    pytest.importorskip("pooch")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setitem(named.CHECKSUMS, "mnist", {
        name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()})
    asked: list[str] = []
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, asked))
    thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
    thread.start()
    httpd.asked = asked
    httpd.address = f"http://127.0.0.1:{httpd.server_address[1]}"
    yield httpd
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def dead():
    """The address of a mirror that does not answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return f"http://127.0.0.1:{port}/good/"


def holds_nothing_else(folder):
    return sorted(path.name for path in folder.iterdir()) == sorted(f"{f}.gz" for f in FILES)


def test_a_download_can_be_loaded_and_is_not_repeated(server, tmp_path):
    progress = []
    folder = named.download("mnist", tmp_path, [server.address + "/good"],
                            lambda *report: progress.append(report))
    assert folder == tmp_path / "mnist" and holds_nothing_else(folder)
    np.testing.assert_array_equal(load_dataset("mnist", root=tmp_path)["train"].images[..., 0], X)
    assert {report[0] for report in progress} == {f"{f}.gz" for f in FILES}
    assert all(0 <= done <= total for _, done, total in progress)
    assert progress[-1][1] == progress[-1][2] > 0
    assert len(server.asked) == 4
    named.download("mnist", tmp_path, [server.address + "/good"])
    assert len(server.asked) == 4


def test_what_is_there_but_damaged_is_downloaded_again(server, tmp_path):
    folder = named.download("mnist", tmp_path, [server.address + "/good"])
    (folder / f"{FILES[0]}.gz").write_bytes(b"\x1f\x8b damaged")
    (folder / f"{FILES[1]}.gz").rename(folder / f"{FILES[1]}.old")
    (folder / FILES[1]).write_bytes(CONTENTS[FILES[1]])  # unpacked, and right
    named.download("mnist", tmp_path, [server.address + "/good"])
    assert server.asked[4:] == [f"/good/{FILES[0]}.gz"]
    assert len(load_dataset("mnist", root=tmp_path)["train"]) == 6


def test_the_next_mirror_serves_when_one_is_dead_wrong_or_breaks_off(server, dead, tmp_path):
    mirrors = [dead, *(f"{server.address}/{kind}/" for kind in ("none", "other", "short", "good"))]
    folder = named.download("mnist", tmp_path, mirrors)
    assert holds_nothing_else(folder) and len(server.asked) == 16
    assert len(load_dataset("mnist", root=tmp_path)["test"]) == 1


def test_a_mirror_may_unpack(server, tmp_path):
    named.download("mnist", tmp_path, [server.address + "/plain"])
    assert len(load_dataset("mnist", root=tmp_path)["train"]) == 6


@pytest.mark.parametrize("kind, reason", [
    ("other", "wrong SHA-256"), ("none", "HTTP status 404"), ("short", "broken off")])
def test_a_wrong_file_is_never_kept(server, tmp_path, kind, reason):
    message = refusal(named.download, "mnist", tmp_path, [f"{server.address}/{kind}"])
    assert reason in message and f"127.0.0.1:{server.server_address[1]}/{kind}/t" in message
    assert list((tmp_path / "mnist").iterdir()) == []


def test_offline(server, dead, tmp_path):
    message = refusal(named.download, "mnist", tmp_path, [dead, dead])
    assert message.count("no connection") == 2 and "are you offline?" in message
    assert f"can be put into {tmp_path / 'mnist'}" in message
    assert list((tmp_path / "mnist").iterdir()) == []


def test_without_pooch_a_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    assert "install avanet[data]" in refusal(named.download, "mnist", tmp_path)


def test_what_cannot_be_downloaded_or_written(tmp_path):
    assert "'mnits': did you mean 'mnist'" in refusal(named.download, "mnits", tmp_path)
    assert "known are mnist, fashion-mnist" in refusal(named.download, "cifar10", tmp_path)
    (tmp_path / "mnist").write_text("a file")
    assert "cannot write mnist to" in refusal(named.download, "mnist", tmp_path)


@pytest.mark.parametrize("name", named.MIRRORS)
def test_the_published_checksums_are_those_of_the_files(name):
    if not SHARED.is_dir():
        pytest.skip("the benchmark sets are not here (../shared/data)")
    assert sorted(named.CHECKSUMS[name]) == sorted(FILES)
    for file, checksum in named.CHECKSUMS[name].items():
        with gzip.open(SHARED / name / f"{file}.gz") as stream:
            assert hashlib.sha256(stream.read()).hexdigest() == checksum
    assert all(url.startswith("http") and url.endswith("/") for url in named.MIRRORS[name])
