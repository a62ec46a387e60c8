"""Figures: bars, curves, clouds of points (matplotlib, optional), sheets of images (Pillow)."""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from avanet.errors import InputError

PANELS = ("Mean", "Maximum", "Minimum", "Standard deviation")
COLOURS = ("#444444", "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
HATCHES = ("", "", "///", "...", "\\\\\\", "xxx", "---")

Columns = Mapping[str, Mapping[str, Sequence[float]]]


class MissingExtra(InputError):
    """A figure that cannot be drawn because an optional package is not installed."""


def figure5(values: Columns, spread: Columns | None = None,
            title: str = "") -> dict[str, bytes]:
    """Figure 5: BM mean, maximum, minimum and standard deviation as four bar charts.

    Every axis starts at zero, so that the height of a bar is its value. The same input gives the
    same bytes: no date, no version, fixed identifiers in the SVG.

    Parameters
    ----------
    values : mapping of source to mapping of model to (mean, maximum, minimum, SD)
        One colour per source, in order; the first (the published numbers) names the models. A
        model that a source lacks, or NaN, has no bar.
    spread : the same shape, optional
        Error bars: the sample SD over seeds. Sources, models or NaN left out have none.
    title : str
        A line above the charts.

    Returns
    -------
    dict of file name to bytes
        figure5.png and figure5.svg.

    Raises
    ------
    MissingExtra
        When matplotlib is not installed.
    """
    def draw(figure):
        for panel, axes in enumerate(figure.subplots(2, 2).flat):
            _bars(axes, panel, values, spread or {})
        handles, labels = figure.axes[0].get_legend_handles_labels()
        has_errors = any(np.isfinite(errors).any() for column in (spread or {}).values()
                         for errors in column.values())
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels),
                      frameon=False, title="error bars: SD over seeds" if has_errors else None)
        figure.suptitle(title)
    return _drawn("figure5", (10, 6.4), draw)


def _drawn(name: str, size: tuple[float, float], draw: Callable[..., None]) -> dict[str, bytes]:
    """What draw(figure) draws, as name.png and name.svg; MissingExtra without matplotlib."""
    try:
        from matplotlib import style
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra(f"{name}.png and {name}.svg not drawn: install avanet[app]") from error
    with style.context(["default", {"svg.hashsalt": "avanet", "hatch.linewidth": 0.5}]):
        figure = Figure(figsize=size, dpi=150, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        return {f"{name}.png": _saved(figure, "png", {"Software": None}),
                f"{name}.svg": _saved(figure, "svg", {"Date": None, "Creator": None})}


def _bars(axes, panel: int, values: Columns, spread: Columns) -> None:
    """One statistic: a group of bars per model, one bar per source."""
    models = list(next(iter(values.values())))
    width = 0.8 / len(values)
    nothing = (np.nan,) * len(PANELS)
    for k, (source, column) in enumerate(values.items()):
        heights = [column.get(model, nothing)[panel] for model in models]
        errors = [spread.get(source, {}).get(model, nothing)[panel] for model in models]
        axes.bar(np.arange(len(models)) + (k - (len(values) - 1) / 2) * width, heights,
                 width=0.92 * width, yerr=errors if np.isfinite(errors).any() else None,
                 color=COLOURS[k % len(COLOURS)], hatch=HATCHES[k % len(HATCHES)],
                 edgecolor="white", linewidth=0, error_kw={"elinewidth": 0.9, "capsize": 1.5},
                 label=source)
    axes.set_title(PANELS[panel], loc="left", fontsize=11)
    axes.set_xticks(range(len(models)), [model.upper() for model in models])
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("BM")
    axes.set_ylim(bottom=0)
    axes.locator_params(axis="y", nbins=6)
    _bare(axes, "left")


def _bare(axes, *sides: str) -> None:
    """Faint horizontal lines behind what is drawn, no frame at the top, the right, these sides."""
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="0.88", linewidth=0.8)
    for side in ("top", "right", *sides):
        axes.spines[side].set_visible(False)


def _saved(figure, kind: str, metadata: dict[str, None]) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format=kind, metadata=metadata)
    return data.getvalue()


class Curve(NamedTuple):
    """A line of a panel: its label in the legend, where it goes, and how it is drawn."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    dashed: bool = False


def curves(name: str, panels: Mapping[str, Sequence[Curve]], x_label: str, y_label: str,
           columns: int = 2) -> dict[str, bytes]:
    """Panels of curves, by title, as name.png and name.svg; MissingExtra without matplotlib."""
    rows = -(-len(panels) // columns)

    def draw(figure):
        for axes, (title, lines) in zip(figure.subplots(rows, columns, squeeze=False).flat,
                                        panels.items()):
            for line in lines:
                axes.plot(line.x, line.y, "--" if line.dashed else "-", linewidth=1.2,
                          color=COLOURS[line.colour % len(COLOURS)], label=line.label)
            axes.set_title(title, loc="left", fontsize=11)
            axes.set_xlabel(x_label)
            axes.set_ylabel(y_label)
            axes.legend(frameon=False, fontsize=8)
            _bare(axes)
        for axes in figure.axes[len(panels):]:
            axes.remove()
    return _drawn(name, (5 * columns, 3.4 * rows), draw)


def clouds(name: str, panels: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, bytes]:
    """Points of a plane in the colours of their classes, side by side, as name.png and name.svg.

    panels : title -> (points (N, 2), classes (N,), or (0,) where there are none)

    Raises MissingExtra without matplotlib.
    """
    def draw(figure):
        for axes, (title, (points, classes)) in zip(
                figure.subplots(1, len(panels), squeeze=False).flat, panels.items()):
            colours = {"c": classes, "cmap": "tab10"} if len(classes) else {}
            drawn = axes.scatter(*points.T, s=4, linewidths=0, **colours)
            if len(classes):
                axes.legend(*drawn.legend_elements(num=None), frameon=False, fontsize=8,
                            loc="center left", bbox_to_anchor=(1, 0.5))
            axes.set_title(title, loc="left", fontsize=11)
            axes.set_aspect("equal", "datalim")
    return _drawn(name, (6 * len(panels), 5), draw)


def contact_sheet(images: Sequence[tuple[str, np.ndarray]], columns: int,
                  margin: int = 6) -> bytes:
    """Images in rows of `columns`, each above its label, on white, as a PNG.

    Parameters
    ----------
    images : sequence of (label, uint8 array H x W x 3)
        At least one, all of one size; labels in Latin letters, drawn with Pillow's default font
        and centred below the image. A cell is as wide as its widest label needs.
    columns : int
        Images per row.
    margin : int
        Pixels between cells and around the sheet.

    Returns
    -------
    bytes
        The PNG file.
    """
    font = ImageFont.load_default()
    boxes = [font.getbbox(label) for label, _ in images]
    height, width, _ = images[0][1].shape
    cell_width = max(width, *(int(right) + 1 for _, _, right, _ in boxes))
    cell_height = height + 2 + max(int(bottom) + 1 for _, _, _, bottom in boxes)
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (margin + columns * (cell_width + margin),
                              margin + rows * (cell_height + margin)), "white")
    draw = ImageDraw.Draw(sheet)
    for k, (label, pixels) in enumerate(images):
        x = margin + k % columns * (cell_width + margin)
        y = margin + k // columns * (cell_height + margin)
        sheet.paste(Image.fromarray(pixels), (x + (cell_width - width) // 2, y))
        draw.text((x + (cell_width - boxes[k][2]) // 2, y + height + 2), label, "black", font)
    data = io.BytesIO()
    sheet.save(data, "PNG")
    return data.getvalue()


def pixels_of(png: bytes) -> np.ndarray:
    """An image file's pixels in RGB, as `contact_sheet` takes them."""
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB"))


def image_grid(images: np.ndarray, columns: int = 0, margin: int = 2, least: int = 0) -> bytes:
    """Images side by side in rows, on white, as a PNG.

    Parameters
    ----------
    images : (N, H, W, C) floats in [0, 1]
        C = 1 (gray) or 3 (RGB); other numbers of channels show their first.
    columns : int
        Images per row; about as many as rows unless given.
    margin : int
        Pixels between images and around them.
    least : int
        Small images are enlarged, by a whole factor, to at least so many pixels a side.
    """
    data = io.BytesIO()
    Image.fromarray(grid_pixels(images, columns, margin, least)).save(data, "PNG", optimize=True)
    return data.getvalue()


def grid_pixels(images: np.ndarray, columns: int = 0, margin: int = 2,
                least: int = 0) -> np.ndarray:
    """The same as uint8 pixels, (H, W) or (H, W, 3)."""
    images = images if images.shape[3] == 3 else images[..., :1]
    pixels = np.rint(np.clip(images, 0, 1) * 255).astype(np.uint8)
    factor = max(1, -(-least // min(pixels.shape[1:3])))
    pixels = pixels.repeat(factor, axis=1).repeat(factor, axis=2)
    n, height, width, channels = pixels.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = -(-n // columns)
    sheet = np.full((margin + rows * (height + margin), margin + columns * (width + margin),
                     channels), 255, np.uint8)
    for k, image in enumerate(pixels):
        y, x = (margin + place * (side + margin)
                for place, side in zip(divmod(k, columns), (height, width)))
        sheet[y:y + height, x:x + width] = image
    return sheet[..., 0] if channels == 1 else sheet
