"""The report of `avanet reproduce bm` from made-up result lines."""

import csv
import random
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from avanet.ava.published import MODELS, PUBLISHED, PUBLISHED_TABLE3, RATES, published_table3
from avanet.experiments.bm_report import bm_cells, figure5_input, report, summary

TRIVIAL = [("black", 0.273, -0.0994), ("mid-gray", 0.2184, 0.2184)]


def line(model="ava1", rate=0.5, seed=0, bm=0.2319, rules="as-run", **more):
    return {"rules": rules, "model": model, "rate": rate, "seed": seed, "bm_abs": bm,
            "bm_printed": None if bm is None else bm - 0.006, "n_images": 36, **more}


def full(seeds=3, rules=("as-run", "printed"), shift=0.001):
    """Every cell: the published number and the seed's shift, -shift, 0, +shift, ..."""
    return [line(model, rate, seed, bm + shift * (seed - 1), name)
            for name in rules for seed in range(seeds) for (model, rate), bm in PUBLISHED.items()]


def read_csv(files):
    return list(csv.DictReader(files["tables.csv"].decode().splitlines()))


def section(text, title):
    """The rows of one Markdown table as lists of cells."""
    body = text.split(f"## {title}")[1].split("\n## ")[0]
    return [[cell.strip() for cell in row.strip("|").split(" | ")]
            for row in body.splitlines() if row.startswith("|")]


@pytest.fixture(scope="module")
def whole():
    lines = full()
    return report(lines, full(rules=("as-run",)), authors_images=True, trivial=TRIVIAL)


def test_three_files(whole):
    assert sorted(whole) == ["tables.csv", "tables.md", "tables.tex"]


def test_the_csv_has_every_number_of_the_three_tables(whole):
    rows = read_csv(whole)
    assert len(rows) == 2 * (133 + 28)
    for row in rows:
        published = (PUBLISHED[row["model"], float(row["rate"])] if row["statistic"] == "bm" else
                     getattr(PUBLISHED_TABLE3[row["model"]], row["statistic"]))
        assert float(row["published"]) == published
        # the shifts -.001, 0, +.001 have SD .001 and leave every mean where it was
        assert abs(float(row["difference"])) < 6e-5 and row["n_seeds"] == "3"
        assert float(row["sd"]) == pytest.approx(0 if row["statistic"] == "sd" else 0.001)
        assert row["table"] == ("3" if row["statistic"] != "bm" else
                                "1" if float(row["rate"]) > 0.095 else "2")
        assert row["verdict"] == "inside" or row["statistic"] == "sd"


def test_published_and_ours_stand_below_each_other(whole):
    rows = section(whole["tables.md"].decode(), "Table 1")
    assert rows[0] == ["γ", "", *(model.upper() for model in MODELS)]
    assert [row[:3] for row in rows[2:11]] == [
        ["1.0", "published", "0.2298"], ["", "as-run", "0.2298"], ["", "difference", "+0.0000"],
        ["", "spread", "0.0010"], ["", "verdict", "inside"], ["", "printed", "0.2298"],
        ["", "difference", "+0.0000"], ["", "spread", "0.0010"], ["", "verdict", "inside"]]
    assert len(rows) == 2 + 10 * 9


def test_table_3_shows_the_unrounded_numbers(whole):
    rows = section(whole["tables.md"].decode(), "Table 3")
    unrounded = [row for row in rows if row[1] == "from Tables 1-2"]
    assert unrounded[3][4] == "0.060605" and unrounded[3][7] == "0.060583"
    assert [row[1] for row in rows[2:9]] == [
        "published", "from Tables 1-2", "as-run, mean table", "as-run, single seeds", "difference",
        "spread", "verdict"]


def test_the_maximum_of_the_mean_table_is_not_the_mean_of_the_maxima():
    lines = [line(rate=rate, seed=seed, bm=bm)
             for rate, bms in ((0.5, (0.1, 0.3)), (0.4, (0.3, 0.1)))
             for seed, bm in enumerate(bms)]
    files = report(lines, [], authors_images=True)
    rows = {row[1]: row for row in section(files["tables.md"].decode(), "Table 3")[9:16]}
    assert rows["as-run, mean table"][2] == "0.2000"
    assert rows["as-run, single seeds"][2] == "0.3000"


def test_mean_absolute_differences():
    # AVA1 +.001 and +.003 over two seeds (mean +.002), GAN -.004 and +.002 (mean -.001)
    lines = [line("ava1", 0.5, seed, 0.2318 + d) for seed, d in enumerate((0.001, 0.003))]
    lines += [line("gan", 0.1, seed, 0.2107 + d) for seed, d in enumerate((-0.004, 0.002))]
    rows = section(report(lines, [], authors_images=True)["tables.md"].decode(), "Mean absolute")
    by_name = {row[0]: row[1:] for row in rows}
    dashes = ["–"] * 5
    assert by_name["as-run, mean over seeds"] == ["0.0020", *dashes, "0.0010", "0.0015"]
    assert by_name["as-run, single seed"] == ["0.0020", *dashes, "0.0030", "0.0025"]
    assert by_name["as-run, Eq. 17 as printed"] == ["0.0040", *dashes, "0.0070", "0.0055"]
    assert by_name["the authors' own repetition"][-1] == "0.0022"


def test_observed_and_expected_cells_outside():
    # .01 beside a spread of .001: every cell of Tables 1 and 2 outside; P(|t_2| > 2) = .18350
    lines = [dict(one, bm_abs=one["bm_abs"] + 0.01) for one in full(rules=("as-run",))]
    rows = section(report(lines, [], authors_images=True)["tables.md"].decode(), "Cells outside")
    assert rows[2] == ["as-run", "Tables 1 and 2", "133", "133", "24.4"]
    # of Table 3 the 21 means, maxima and minima; a common shift leaves the SDs where they were
    assert rows[3][2:] == ["28", "21", "5.1"]


@pytest.mark.parametrize("rate", [1.0, 0.5, 0.01])
def test_a_single_cell_and_seed(rate):
    files = report([line(rate=rate)], [], authors_images=True)
    rows = read_csv(files)
    assert len(rows) == 1 + 4
    assert rows[0]["verdict"] == "one seed" and rows[0]["sd"] == ""
    assert rows[4]["verdict"] == "–" and rows[4]["ours"] == ""
    assert float(rows[1]["published"]) == PUBLISHED["ava1", rate]
    text = files["tables.md"].decode()
    table = section(text, "Table 1" if rate > 0.095 else "Table 2")
    ours = next(row for row in table if row[1] == "as-run")
    assert ours[2:] == ["0.2319", *["–"] * 6]
    assert "Not all 19 rates were run (as-run)" in text and "Trivial images" not in text
    assert "not available" in summary([line(rate=rate)], [], authors_images=True)


def test_one_seed_of_everything_is_untested():
    text = summary(full(seeds=1), full(seeds=1, rules=("as-run",)), authors_images=True)
    assert text.count("one seed, untested") == 3 * 16


def test_some_rates_are_compared_with_the_same_published_rates():
    lines = [one for one in full(rules=("as-run",)) if one["rate"] in (0.3, 0.4)]
    row = next(row for row in read_csv(report(lines, [], authors_images=True))
               if row["statistic"] == "minimum" and row["model"] == "vae")
    assert float(row["published"]) == published_table3({0.3, 0.4})["vae"].minimum == 0.0568


def test_stopped_runs_are_listed_and_left_out():
    lines = [line(seed=0), line(seed=1, bm=None, stopped="overflow at step 7 in decoder.1"),
             line("gan", bm=None, stopped="NaN at step 1 in decoder.0")]
    files = report(lines, [], authors_images=True)
    rows = read_csv(files)
    assert [(row["model"], row["n_seeds"], row["verdict"]) for row in rows[:2]] == [
        ("ava1", "1", "one seed"), ("gan", "0", "stopped")]
    text = files["tables.md"].decode()
    assert section(text, "Mean absolute")[2][1:] == ["0.0001", *["–"] * 6, "0.0001"]
    assert section(text, "Stopped runs")[2] == ["as-run", "AVA1", "0.5", "1",
                                                "overflow at step 7 in decoder.1"]
    assert "NaN at step 1 in decoder.0" in summary(lines, [], authors_images=True)
    assert "Stopped" not in summary(lines[:1], [], authors_images=True)


def test_every_run_stopped():
    lines = [line(bm=None, stopped="overflow")]
    assert len(read_csv(report(lines, [], authors_images=True))) == 1
    assert "overflow" in summary(lines, lines, authors_images=True)


def test_other_images_are_named_wherever_the_published_numbers_stand():
    words = "published numbers belong to the authors' images"
    files = report(full(), [], authors_images=False)
    assert files["tables.md"].decode().count(words) == 1 + 3
    assert files["tables.tex"].decode().count(words) == 1 + 2 * 3
    assert words in " ".join(summary(full(), [], authors_images=False).split())
    assert words not in report(full(), [], authors_images=True)["tables.md"].decode()


def test_trivial_images_under_both_readings(whole):
    rows = section(whole["tables.md"].decode(), "Trivial images")
    assert rows[2:] == [["black", "0.2730", "-0.0994"], ["mid-gray", "0.2184", "0.2184"]]
    assert "The best published cell is 0.2329 (AVA2 at γ = 0.4)." in whole["tables.md"].decode()


def test_claims_are_tested_paired_where_there_are_pairs(whole):
    text = whole["tables.md"].decode()
    titles = [row for row in text.splitlines() if row.startswith("## Claims")]
    assert titles == ["## Claims under as-run, unpaired",
                      "## Claims under as-run, paired (draws shared between models)",
                      "## Claims under printed, unpaired"]
    assert "What as-run reveals:" in text
    assert "What as-run reveals" not in summary(full(rules=("exact",)), [], authors_images=True)


@settings(max_examples=20)
@given(st.randoms(use_true_random=False), st.sets(st.sampled_from(MODELS), min_size=1),
       st.sets(st.sampled_from(RATES), min_size=1, max_size=4), st.integers(1, 3))
def test_the_order_of_the_lines_does_not_matter(shuffler, models, rates, seeds):
    draw = random.Random(0)
    lines = [line(model, rate, seed, draw.uniform(0.1, 0.2), rules)
             for rules in ("as-run", "letter") for model in models for rate in rates
             for seed in range(seeds)]
    mixed = list(lines)
    shuffler.shuffle(mixed)
    assert report(mixed, mixed, authors_images=True) == report(lines, lines, authors_images=True)
    for (model, rate), cell in bm_cells([one for one in lines if one["rules"] == "letter"]).items():
        values = [one["bm_abs"] for one in lines
                  if (one["rules"], one["model"], one["rate"]) == ("letter", model, rate)]
        assert cell.n == seeds and cell.ours == pytest.approx(sum(values) / seeds)


def test_figure_5_gets_single_seed_means_and_spreads():
    values, spread = figure5_input(full())
    assert list(values) == ["published", "as-run", "printed"]
    assert values["published"] is PUBLISHED_TABLE3
    assert values["printed"]["gan"] == pytest.approx(published_table3({*RATES})["gan"], abs=6e-5)
    assert spread["as-run"]["ava3"][:3] == pytest.approx([0.001] * 3)


def test_latex_is_bare_and_regular(whole):
    text = whole["tables.tex"].decode()
    assert text.isascii() and "usepackage" not in text
    for tabular in text.split(r"\begin{tabular}{")[1:]:
        columns = len(tabular.split("}")[0])
        body = [row for row in tabular.split(r"\end{tabular}")[0].splitlines()[1:]
                if row != r"\hline"]
        assert {row.replace(r"\&", "").count("&") for row in body} == {columns - 1}
        assert len(body) <= 60, "more rows than a page holds"


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_compiles(whole, tmp_path):
    (tmp_path / "tables.tex").write_bytes(whole["tables.tex"])
    run = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"],
                         cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stdout[-2000:]
    assert "Overfull" not in run.stdout
