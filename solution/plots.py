"""The study's plots<!-- IF infer ddim -->, for study.py and for the report<!-- END IF
-->. Each function returns a matplotlib Figure.

Curves differ in colour (Okabe and Ito's, which colour-blind readers tell apart) and in dashes (for grey print).
"""

import io

import numpy as np
from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
DASHES = ("-", (0, (5, 2)), (0, (1, 1.2)), (0, (5, 1.5, 1, 1.5)))


### IF infer ddim
def all_of(rows, codes, floor):
    """{name: figure} of everything that the results allow."""
    figures = {"samples": samples(rows), "steps": steps(rows, floor)}
    if codes:
        figures |= {"timesteps": timesteps(codes), "distortion": distortion(codes)}
    return figures


def samples(rows, shown=4):
    """The first images of every row: one line for each checkpoint and eta, one group for each number of steps."""
    lines = list(dict.fromkeys((row["checkpoint"], row["eta"]) for row in rows))
    groups = sorted({row["steps"] for row in rows})
    gap, wide = 2, 8
    height, width = 28 + gap, shown * (28 + gap) + wide
    picture = np.full((len(lines) * height, len(groups) * width), 255, np.uint8)
    for row in rows:
        y = lines.index((row["checkpoint"], row["eta"])) * height
        x = groups.index(row["steps"]) * width
        for index, image in enumerate(row["images"][:shown]):
            left = x + index * (28 + gap)
            picture[y : y + 28, left : left + 28] = image
    inches = 11
    figure = Figure(figsize=(inches, 0.5 + (inches - 1.6) * picture.shape[0] / picture.shape[1]), dpi=130)
    axes = figure.add_axes((1.6 / inches, 0, 1 - 1.6 / inches, 1 - 0.4 / figure.get_figheight()))
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    for index, (name, eta) in enumerate(lines):
        axes.text(-4, index * height + 14, f"{name}, $\\eta$ = {eta:g}", ha="right", va="center", fontsize=9)
    for index, S in enumerate(groups):
        axes.text(index * width + (width - wide) / 2, -4, f"S = {S}", ha="center", va="bottom", fontsize=9)
    return figure


def steps(rows, floor):
    """Both measures over the number of steps, with what real digits get."""
    figure = Figure(figsize=(10, 3.8), dpi=130, layout="constrained")
    panels = figure.subplots(1, 2)
    names = list(dict.fromkeys(row["checkpoint"] for row in rows))
    for name, eta in dict.fromkeys((row["checkpoint"], row["eta"]) for row in rows):
        found = sorted(
            (row for row in rows if (row["checkpoint"], row["eta"]) == (name, eta)), key=lambda r: r["steps"]
        )
        etas = sorted({row["eta"] for row in rows})
        style = {"color": COLORS[names.index(name) % 4], "linestyle": DASHES[etas.index(eta) % 4], "marker": "."}
        for axes, measure in zip(panels, ("confident", "frechet"), strict=True):
            axes.plot([row["steps"] for row in found], [row[measure] for row in found], **style,
                      label=f"{name}, $\\eta$ = {eta:g}")  # fmt: skip
    for axes, measure, title in zip(panels, ("confident", "frechet"), ("confident", "Fréchet distance"), strict=True):
        axes.axhline(floor[measure], color="0.5", linewidth=1, label="real digits")
        axes.set(title=f"{title}, n = {sum(floor['digits']):,}", xscale="log", xlabel="steps S")
        plain(axes)
    panels[1].set_yscale("log")
    panels[0].legend(frameon=False, fontsize=8, handlelength=3.5)
    return figure


### END IF
def timesteps(codes):
    """Over t: the loss that each network was trained with, and what each step costs with either variance."""
    figure = Figure(figsize=(10, 3.6), dpi=130, layout="constrained")
    panels = figure.subplots(1, 2)
    for row, style in styled(codes):
        label = f"{row['checkpoint']}, {row['variance_type']}"
        if row["variance_type"] == codes[0]["variance_type"]:  # the loss is the same with every variance
            panels[0].plot(smooth(row["code"].loss.mean(1)), **style, label=row["checkpoint"])
        bits = smooth(row["code"].bits[:-1].mean(1))
        panels[1].plot(np.arange(1, len(bits) + 1), bits, **style, label=label)
    panels[0].set(title="loss: error of what the network predicts", yscale="log", xlabel="t")
    panels[1].set(title="bits per dimension of the step from t", yscale="log", xscale="log", xlabel="t + 1")
    for axes in panels:
        plain(axes)
        axes.legend(frameon=False, fontsize=8, handlelength=3.5)
    return figure


def distortion(codes):
    """Progressive decoding: the error of x0_hat over the timesteps, and over the bits that were sent for it."""
    figure = Figure(figsize=(10, 3.6), dpi=130, layout="constrained")
    panels = figure.subplots(1, 2)
    for row, style in styled(codes):
        rate, rmse = row["code"].rate.mean(1), row["code"].rmse.mean(1)
        if row["variance_type"] == codes[0]["variance_type"]:
            panels[0].plot(rmse, **style, label=row["checkpoint"])
        panels[1].plot(rate, rmse, **style, label=f"{row['checkpoint']}, {row['variance_type']}")
        panels[1].plot(row["code"].total.mean(), 0, marker="o", color=style["color"])
    panels[0].set(title="distortion over time", xlabel="t (sampling goes from right to left)")
    panels[1].set(title="distortion over rate; dots: sent without loss", xlabel="bits per dimension sent")
    for axes in panels:
        axes.set_ylabel("RMSE of x0_hat, grey levels")
        plain(axes)
        axes.legend(frameon=False, fontsize=8, handlelength=3.5)
    return figure


def styled(codes):
    """(row, style): a colour for each checkpoint, dashes for each variance."""
    names = list(dict.fromkeys(row["checkpoint"] for row in codes))
    kinds = list(dict.fromkeys(row["variance_type"] for row in codes))
    for row in codes:
        color, dashes = COLORS[names.index(row["checkpoint"]) % 4], DASHES[kinds.index(row["variance_type"])]
        yield row, {"color": color, "linestyle": dashes, "linewidth": 1.6}


def smooth(values):
    """A running mean of a curve that was measured on few digits; its ends, where it is steep, stay as they are."""
    values = np.asarray(values)
    width = 1 + len(values) // 70
    means = np.convolve(values, np.ones(width) / width, "same")
    means[:width], means[-width:] = values[:width], values[-width:]
    return means


def plain(axes):
    """A panel without what only adds ink."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.5)


def png(figure):
    """The bytes of a figure's PNG; without the program's name, so that equal figures are equal files."""
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None}, pil_kwargs={"optimize": True})
    return content.getvalue()
