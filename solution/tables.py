"""What study.py leaves for people: two CSV files, one page of tables, and the plots where matplotlib is there."""

import csv
import io

import saving


def write_all(folder, rows, codes, floor):
    """Write everything into `folder`, each file at once or not at all.

    rows   results of Study.row
    codes  results of Study.code
    floor  classifier.measure of as many real digits as a row has samples, with "line" and "coded_line", which say which
           digits were judged and coded, and "student"
    """
    saving.write(folder / "study.csv", study_csv(rows, floor))
    saving.write(folder / "timesteps.csv", timesteps_csv(codes))
    saving.write(folder / "study.md", page(rows, codes, floor).encode())
    try:
        import plots
    except ImportError:
        print("The plots are left out: matplotlib is not installed")
        return
    for name, figure in plots.all_of(rows, codes, floor).items():
        saving.write(folder / f"{name}.png", plots.png(figure))


def study_csv(rows, floor):
    """A line for each row, and one for the real digits, whose Frechet distance is the floor."""
    counts = [f"digit_{digit}" for digit in range(10)]
    lines = [["checkpoint", "steps", "eta", "n", "confident", "frechet", *counts]]
    for row in rows:
        judged = [f"{row['confident']:.4f}", f"{row['frechet']:.3f}", *row["digits"]]
        lines.append([row["checkpoint"], row["steps"], row["eta"], row["n"], *judged])
    real = [f"{floor['confident']:.4f}", f"{floor['frechet']:.3f}", *floor["digits"]]
    return as_csv([*lines, ["real digits", "", "", sum(floor["digits"]), *real]])


def timesteps_csv(codes):
    """A line for each checkpoint, variance and timestep; the rate is what was sent before, rmse what that buys."""
    lines = [["checkpoint", "variance_type", "t", "loss", "bits", "rate", "rmse"]]
    for row in codes:
        code = row["code"]
        columns = [values.mean(1).tolist() for values in (code.loss, code.bits[:-1], code.rate, code.rmse)]
        for t, values in enumerate(zip(*columns, strict=True)):
            lines.append([row["checkpoint"], row["variance_type"], t, *(f"{value:.6g}" for value in values)])
    return as_csv(lines)


def as_csv(lines):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines)
    return text.getvalue().encode()


def page(rows, codes, floor):
    """The tables in Markdown."""
    n = sum(floor["digits"])
    steps = sorted({row["steps"] for row in rows})
    parts = [
        f"# The study\n\nDDIM, x0_hat clipped, {n:,} images in every row, all from the same noise, that of "
        f"`{floor['student']}`. Real digits: {floor['line']}.\n"
    ]
    for title, said in (
        (
            "Confident",
            f"Share of images of which the classifier is surer than 0.9; {floor['confident']:.1%} of real ones.",
        ),
        ("Frechet distance", f"To the training digits; the floor, of {n:,} real digits, is {floor['frechet']:.2f}."),
    ):
        lines = [["checkpoint", "eta", *(f"S = {S}" for S in steps)]]
        for name, eta in dict.fromkeys((row["checkpoint"], row["eta"]) for row in rows):
            found = {row["steps"]: row for row in rows if (row["checkpoint"], row["eta"]) == (name, eta)}
            lines.append([name, f"{eta:g}", *(cell(title, found.get(S)) for S in steps)])
        parts.append(f"## {title}\n\n{said}\n\n{markdown(lines)}")
    if codes:
        lines = [["checkpoint", "variance", "prior", "steps", "decoder", "all", "standard error"]]
        for row in codes:
            terms, total = row["code"].bits.mean(1), row["code"].total
            numbers = (terms[-1], terms[1:-1].sum(), terms[0], total.mean(), total.std() / len(total) ** 0.5)
            lines.append([row["checkpoint"], row["variance_type"], *(f"{number:.3g}" for number in numbers)])
        said = f"Bits per dimension, all T steps, x0_hat clipped. Coded: {floor['coded_line']}."
        parts.append(f"## The variational bound\n\n{said}\n\n{markdown(lines)}")
    return "\n".join(parts)


def cell(title, row):
    if row is None:
        return ""
    return f"{row['confident']:.1%}" if title == "Confident" else f"{row['frechet']:.1f}"


def markdown(lines):
    head, *rest = ["| " + " | ".join(map(str, line)) + " |" for line in lines]
    return "\n".join([head, "|" + "---|" * len(lines[0]), *rest, ""])
