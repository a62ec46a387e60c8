"""The reproduction at a toy's scale: cells, gradients of Algorithm 1, resuming, what is written."""

import json

import numpy as np
import pytest

from avanet.cli import main
from avanet.errors import InputError
from avanet.experiments import gan_theory as theory
from avanet.experiments import gan_theory_report as report
from avanet.experiments.gan_toys import TARGETS
from avanet.experiments.sweep import Outcome
from avanet.nn import Momentum

TINY = theory.Scale(30, 21, 1)


@pytest.fixture(scope="module")
def lines():
    return [theory.work(cell, TINY).line for cell in theory.list_cells(1)]


def test_a_discriminator_learns_towards_the_optimal_one():
    cell = dict(zip(theory.KEY, ("discriminator", "apart", None, None, 0)))
    early, late = (theory.work(cell, theory.Scale(steps, 1, 1)).line for steps in (5, 200))
    exact = theory.work(cell | {"what": "exact"}, TINY).line
    assert early["v"] < late["v"] < exact["c"]
    assert late["rms"] < 0.06 < early["rms"]


def objective(generator, judge, z, loss):
    d = 1 / (1 + np.exp(-judge.forward(generator.forward(z)[0])[0]))
    return np.log(1 - d).mean() if loss == "saturating" else -np.log(d).mean()


@pytest.mark.parametrize("loss", ["saturating", "non-saturating"])
def test_a_round_moves_the_generator_down_its_loss(loss):
    """The generator's step is -rate times the numerical gradient at the discriminator's new D."""
    rng = np.random.default_rng(0)
    players = theory.dense("generator", rng), theory.dense("discriminator", rng)
    before = players[0].params.copy()
    draws = np.random.default_rng(5)
    theory.update(players, (Momentum(0), Momentum(0)), 1.0, TARGETS["gaussian"],
                  {"k": 2, "loss": loss}, draws)
    moved = players[0].params - before
    again = np.random.default_rng(5)
    for _ in range(2):
        again.standard_normal((theory.BATCH, 1))
        TARGETS["gaussian"].sample(theory.BATCH, again)
    z = again.standard_normal((theory.BATCH, 1))
    p = np.random.default_rng(1).standard_normal(len(before))
    sides = []
    for t in (1e-5, -1e-5):
        players[0].params[:] = before + t * p
        sides.append(objective(*players, z, loss))
    assert -(moved @ p) == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-6)


def test_the_histogram_of_an_identity_generator_is_that_of_its_noise():
    class Identity:
        def forward(self, z):
            return z, None

    from avanet.experiments.gan_toys import gaussian
    np.testing.assert_allclose(theory.generated(Identity()), gaussian(0, 1).masses(theory.EDGES),
                               atol=5e-4)


def test_every_cell_keeps_its_numbers(lines):
    assert len(lines) == 5 + 5 + 8 and all(map(json.dumps, lines))
    algorithm = [line for line in lines if line["what"] == "algorithm"]
    assert all(len(line["jsd"]) == len(line["steps"]) == theory.MARKS for line in algorithm)
    assert all(len(line["p_g"]) == len(line["d"]) == 3 for line in algorithm)


def test_the_verdicts_fail_as_printed_and_hold_as_corrected(lines):
    said = {row[0]: row[1] for row in report.verdicts(lines).rows}
    assert said["C(G) = −log 4 + JSD, as printed"] == "FAILS"
    assert said["C(G) = −log 4 + 2 JSD, corrected"] == "holds"
    assert said["D* = p_data / (p_data + p_G) maximises V"] == "holds"
    assert said["no trained D exceeds C(G)"] == "holds"
    assert said["a trained D comes to D*"] == "FAILS"  # after 30 updates


def test_a_wrong_identity_would_be_seen(lines):
    wrong = [line | {"c": line["c"] + 1e-6} if line["what"] == "exact" else line for line in lines]
    said = {row[0]: row[1] for row in report.verdicts(wrong).rows}
    assert said["C(G) = −log 4 + 2 JSD, corrected"] == "FAILS"


def test_stopped_runs_are_told(lines):
    stopped = [*lines[:-1], {name: lines[-1][name] for name in theory.KEY} | {"stopped": "NaN"}]
    assert "1 runs stopped" in report.verdicts(stopped).note
    assert set(report.tables(stopped)) == {"tables.md", "tables.csv", "tables.tex"}


def test_the_command_goes_on_and_writes_all(lines, tmp_path, monkeypatch, capsys):
    known = {tuple(line[name] for name in theory.KEY): line for line in lines}
    monkeypatch.setattr(theory, "work", lambda cell, scale: Outcome(
        known[tuple(cell[name] for name in theory.KEY)], 0.1))
    monkeypatch.setattr(theory, "run_cells", in_this_process)
    out = tmp_path / "theory"
    command = ["reproduce", "gan-theory", "--scale", "quick", "--out", str(out)]
    assert main(command) == 0
    text = capsys.readouterr()
    assert "18 cells" in text.err and "FAILS" in text.out
    written = (out / "results.jsonl").read_bytes()
    (out / "results.jsonl").write_bytes(b"".join(written.splitlines(keepends=True)[:-2]))
    assert main(command) == 0
    assert (out / "results.jsonl").read_bytes() == written
    assert (out / "tables.tex").exists() and (out / "jsd.svg").exists()


def in_this_process(cells, work, folder, jobs, *, shared, progress, pool):
    """What `run_cells` does, without worker processes."""
    for cell in cells:
        if folder.key_of(cell) not in folder.results:
            outcome = work(cell, shared)
            folder.append([outcome.line], [cell | {"seconds": outcome.seconds}])
    folder.finish()
    return [folder.results[folder.key_of(cell)] for cell in cells]


def test_cells_and_protocols_of_others_are_refused():
    run = {"protocol": theory.protocol_of("quick")}
    assert theory.task_of(run, None) == theory.SCALES["quick"]
    with pytest.raises(InputError, match="another protocol"):
        theory.task_of({"protocol": run["protocol"] | {"rate": 1}}, None)
    theory.check_cell(theory.list_cells(3)[-1])
    with pytest.raises(InputError, match="no cell"):
        theory.check_cell(theory.list_cells(1)[0] | {"toy": "banana"})
