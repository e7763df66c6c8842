"""job=register on the tiny world: what is written, refused, and checked against the order of commits."""

import subprocess

import own_world
import pytest
import tiny_world

from tebench.base.errors import InputError
from tebench.cli.jobs import register
from tebench.research.registration import record

HEADER = "protocol,encoder,task,seed,metric,value\n"
FORMS = "job.forms=[spread@encoder,gated_flow]"


@pytest.fixture
def tiny(tmp_path, monkeypatch, scratch_registry):
    tiny_world.install(monkeypatch.setattr)
    monkeypatch.chdir(tmp_path)
    board = tmp_path / "board"
    (board / "ground_truth").mkdir(parents=True)
    small = [a for a in tiny_world.SMALL if not a.startswith(("plugins", "job.beside", "encoders="))]

    def config(*changes):
        return own_world.compose(
            "job=register", *own_world.read_by("register", small), "encoders=[tiny,other,third]",
            f"cache={tmp_path / 'cache'}", f"job.leaderboard={board}", "job.registration=trial", "job.protocols=[starter-v1]", FORMS, *changes,
        )  # fmt: skip

    return board, config


def commit(folder, message):
    who = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["add", "-A"], [*who, "commit", "-qm", message]):
        subprocess.run(["git", "-C", folder, *command], check=True, capture_output=True)


def test_from_forms_to_a_sound_registration(tiny, capsys):
    board, config = tiny
    truth = board / "ground_truth" / "any.csv"
    truth.write_text(HEADER + "starter-v1,tiny,blobs,0,dsc,0.5\n")
    register.run(*config())
    assert "2 forms; starter-v1: 2 pairs" in capsys.readouterr().out
    found = record.read(board / "registrations" / "trial.json")
    assert found.pairs == {"starter-v1": {"blobs": ["other", "third"]}}
    assert found.pool["encoders"] == ["tiny", "other", "third"], "fused over the whole pool, registered for two of it"
    assert [(form.name, form.part_of) for form in found.forms] == [
        ("spread on encoder", ""), ("gated_flow", ""), ("gradient_flow", "gated_flow"), ("boundary_flow", "gated_flow"),
    ]  # fmt: skip
    assert len(found.scores) == 4 * 2
    assert set(found.scores["status"]) == {"ok"}
    with pytest.raises(SystemExit):
        register.run(*config("job.check=true"))
    commit(board, "register")
    register.run(*config("job.check=true"))
    assert "trial: sound; 2 forms, 2 pairs of starter-v1" in capsys.readouterr().out
    truth.write_text(truth.read_text() + "starter-v1,other,blobs,0,dsc,0.5\n")
    commit(board, "truth")
    register.run(*config("job.check=true"))
    csv = board / "registrations" / "trial.csv"
    csv.write_text(csv.read_text().replace("0.", "1.", 1))
    with pytest.raises(SystemExit):
        register.run(*config("job.check=true"))
    assert "changed after it was registered" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("job.registration=null", "registration must be a name"),
        ("job.protocols=[]", "protocols"),
        ("job.protocols=[starter-v9]", "starter-v9"),
        ("job.forms=[]", "forms"),
        ("job.forms=[spread@deepest]", "stages must look like"),
        ("job.forms=[spread,spread]", "forms"),
        ("job.forms=[sprea]", "spread"),
        ("job.forms=[mean_rank_elsewhere]", "reads the ground truth of other tasks cannot be registered"),
        ("job.forms=[fussy]", "3 scores failed: fussy on blobs / tiny: ZeroDivisionError"),
    ],
)
def test_what_cannot_be_registered_is_said_before_anything_is_written(tiny, change, words):
    board, config = tiny
    with pytest.raises(InputError, match=words):
        register.run(*config(change))
    assert not (board / "registrations").exists()


def test_nothing_is_left_to_predict(tiny):
    board, config = tiny
    rows = "".join(f"starter-v1,{encoder},blobs,0,dsc,0.5\n" for encoder in ("tiny", "other", "third"))
    (board / "ground_truth" / "any.csv").write_text(HEADER + rows)
    with pytest.raises(InputError, match="exists for all 1 tasks and 3 encoders, so nothing is left to predict"):
        register.run(*config())
