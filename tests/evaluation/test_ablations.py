"""Settings whose gains are known beforehand are found, told in words, and compared with the base of their kind."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workflow.scripts.base.errors import InputError
from workflow.scripts.base.files import read_json, write_json
from workflow.scripts.collect_ablations import main
from workflow.scripts.evaluation.ablations import BEATS, ablate, as_markdown, in_words, setting_of

RATES = (0.004, 0.008, 0.016)
CHARS = np.random.default_rng(3).integers(100, 600, 40)
HARD = np.random.default_rng(4).normal(1.5, 0.3, 40)  # nats a character, for every setting
LOSS = (CHARS * HARD).sum() / CHARS.sum()


def config_of(name: str, **other: object) -> dict:
    """A run's config.json; ``other`` replaces what it says of the model, the options or the training."""
    model = {"arch": "gpt", "vocab_size": 130, "block_size": 256, "n_layer": 4, "n_embd": 64, "n_head": 4,
             "parametrization": "mup", "parts": "all"}  # fmt: skip
    options = {"learning_rate": 0.008, "seed": 2, "beta1": 0.9, "weight_decay": 0.01, "warmup_steps": 40,
               "grad_clip": 1.0}  # fmt: skip
    training = {"model_name": name, "windows_per_step": 16, "precision": "float32", "tokens": 2**21, "flops": 10**12,
                "params_non_embedding": 196608, "train_seconds": 60.5}  # fmt: skip
    for part in (model, options, training):
        part |= {key: other.pop(key) for key in list(other) if key in part}
    assert not other
    options |= {key: model[key] for key in ("arch", "n_layer", "n_embd", "n_head", "parametrization", "parts")}
    return {"model": model, "training": training | {"options": options | {"context_size": model["block_size"]}}}


def write_trial(folder: Path, name: str, rate: float, worse: np.ndarray | float | None, **other: object) -> str:
    """A trial that loses so many nats a character more than LOSS; it diverged if that is None."""
    config = config_of(name, learning_rate=rate, **other)
    path = folder / name / f"{config['training']['tokens']}-seed{config['training']['options']['seed']}-lr{rate}"
    write_json(path / "config.json", config)
    said = {"split": "val", "loss": None, "loss_se": None}
    if worse is not None:
        nats = CHARS * (HARD + worse)
        said |= {"loss": nats.sum() / CHARS.sum(), "loss_se": 0.06}
        pd.DataFrame({"chars": CHARS, "nats": nats}).to_csv(path / "perplexity_val_tunes.csv", index=False)
    write_json(path / "perplexity_val.json", said | {"tunes": 40, "chars": int(CHARS.sum()), "text_sha256": "t"})
    return str(path)


def trials(folder: Path, name: str, lost: tuple, **other: object) -> list[str]:
    """Trials of a setting at RATES."""
    return [write_trial(folder, name, rate, worse, **other) for rate, worse in zip(RATES, lost, strict=True)]


@pytest.fixture
def folders(tmp_path) -> list[str]:
    noise = np.random.default_rng(5).normal(0, 0.02, 40)
    lstm = {"arch": "lstm", "n_layer": 1, "n_embd": 160}
    return [
        *trials(tmp_path, "gpt_base", (0.1, 0.0, 0.1)),
        *trials(tmp_path, "gpt_short", (0.3, 0.2, 0.25), block_size=128, windows_per_step=32, flops=9 * 10**11),
        *trials(tmp_path, "gpt_modern", (0.0, -0.05 + noise, -0.1 + noise), arch="modern"),
        *trials(tmp_path, "gpt_large", (0.0, -0.2, 0.0), n_embd=128, n_head=8, flops=3 * 10**12),
        *trials(tmp_path, "lstm_base", (0.4, 0.3, None), **lstm),
        *trials(tmp_path, "lstm_beta", (0.4, 0.29, 0.4), **lstm, beta1=0.8),
    ]


def test_each_setting_is_compared_at_its_best_rate_with_the_base_of_its_kind(folders):
    table, summary = ablate(folders, ["gpt_base", "lstm_base"])
    found = {entry["model"]: entry for entry in summary["settings"]}
    assert list(found) == ["gpt_large", "gpt_modern", "gpt_base", "gpt_short", "lstm_beta", "lstm_base"]
    assert summary["bases"] == {"gpt": "gpt_base", "lstm": "lstm_base"}
    assert {name: entry["group"] for name, entry in found.items()}["gpt_modern"] == "gpt"

    noise = np.random.default_rng(5).normal(0, 0.02, 40)
    modern, short, large = found["gpt_modern"], found["gpt_short"], found["gpt_large"]
    assert modern["difference"] == pytest.approx(-0.1 + (CHARS * noise).sum() / CHARS.sum())
    assert modern["difference_se"] == pytest.approx(0.02 / 40**0.5, rel=0.4)  # not 0.06, that of one loss
    assert modern["difference_ci95"][0] < modern["difference"] < modern["difference_ci95"][1] < -0.08
    assert (modern["best_trial"], modern["bracketed"], modern[BEATS]) == (0.016, False, True)
    assert short["difference"] == pytest.approx(0.2)
    assert (short["best_trial"], short["bracketed"], short[BEATS]) == (0.008, True, False)
    assert short["optimum"] > 0.008  # as the higher rate is the better neighbour
    assert short["flops_relative"] == pytest.approx(0.9)
    assert (large["difference"], large[BEATS]) == (pytest.approx(-0.2), False)  # better, for three times the FLOP
    assert found["lstm_beta"]["difference"] == pytest.approx(-0.01)
    assert not found["lstm_beta"][BEATS]
    assert (found["lstm_base"]["difference"], found["lstm_base"]["difference_ci95"]) == (0, None)
    assert (found["lstm_base"]["diverged"], found["lstm_beta"]["diverged"]) == (1, 0)

    assert len(table) == len(folders)
    best = table[table["best"] == 1].set_index("model")
    assert best["learning_rate"].to_dict() == {name: entry["best_trial"] for name, entry in found.items()}
    assert best.loc["gpt_short", "val_loss"] == pytest.approx(LOSS + 0.2)
    assert set(table["seconds"]) == {60.5}


def test_what_differs_is_told_in_words():
    def words(base: dict | None = None, **other: object) -> str:
        return in_words(setting_of(config_of("a", **other)), setting_of(config_of("b", **(base or {}))))

    lstm = {"arch": "lstm", "n_layer": 1, "n_embd": 160}
    assert words() == "the base"
    assert words(seed=7, learning_rate=0.1, params_non_embedding=5, flops=1) == "the base"
    assert words(block_size=128, windows_per_step=32) == "context 128"
    assert words(block_size=128) == "context 128, 2,048 tokens a step"
    assert words(windows_per_step=4) == "1,024 tokens a step"
    assert words(n_layer=2, n_embd=96, n_head=6) == "2 layers of 96"
    assert words(n_layer=6, n_embd=52, n_head=2) == "6 layers of 52, heads of 26"
    assert words(n_head=2) == "heads of 32"
    assert words(arch="modern") == "all three parts of modern"
    assert words(arch="modern", parts="muon,squared_relu,qk_norm") == "all three parts of modern"
    assert words(arch="modern", parts="muon,qk_norm") == "of modern only normed queries and keys, Muon"
    assert words(arch="modern", parts="squared_relu") == "of modern only squared ReLU"
    assert words({"arch": "modern"}) == "no part of modern"
    assert words(beta1=0.8, warmup_steps=160) == "beta1 0.8, warm-up of 160 steps"
    assert words(weight_decay=0.1, precision="bfloat16") == "bfloat16, weight decay 0.1"
    assert words(parametrization="standard") == "standard parametrization"
    assert words(tokens=2**22) == "4,194,304 tokens in all"
    assert words(lstm, **lstm | {"n_layer": 2, "n_embd": 112}) == "2 layers of 112"
    assert words(lstm, **lstm | {"n_embd": 80}) == "1 layer of 80"
    assert words(lstm, **lstm | {"n_head": 8}) == "the base"  # it has no heads
    assert words(lstm, **lstm | {"arch": "lstm_muon"}) == "Muon"


def test_what_has_no_words_yet_is_told_by_its_name():
    new = config_of("a")
    new["training"]["options"]["label_smoothing"] = 0.1
    assert in_words(setting_of(new), setting_of(config_of("b"))) == "label smoothing 0.1"
    old = config_of("c")
    del old["model"]["parts"], old["training"]["options"]["parts"]
    assert in_words(setting_of(old), setting_of(config_of("b"))) == "the base"


def test_seeds_are_averaged_before_rates_are_compared(tmp_path):
    """One lucky seed at one rate makes neither the best rate nor the loss."""
    first = trials(tmp_path, "gpt_base", (0.1, 0.0, 0.1), seed=0) + trials(
        tmp_path, "gpt_base", (0.1, 0.0, 0.1), seed=1
    )
    lucky = trials(tmp_path, "b", (-0.3, 0.1, 0.3), seed=0, beta1=0.8) + trials(
        tmp_path, "b", (0.5, 0.04, 0.3), seed=1, beta1=0.8
    )
    table, summary = ablate([*first, *lucky], ["gpt_base"])
    (entry,) = (entry for entry in summary["settings"] if entry["model"] == "b")
    assert (entry["best_trial"], entry["seeds"], entry["trials"]) == (0.008, [0, 1], 6)
    assert entry["difference"] == pytest.approx(0.07)
    assert entry["best_loss"] == pytest.approx(LOSS + 0.07)
    assert table[(table["model"] == "b") & (table["best"] == 1)]["seed"].tolist() == [0, 1]
    with pytest.raises(InputError, match=r"b at the rate 0\.016 has trials of other seeds than the base's, \[0, 1\]"):
        ablate([*first, *lucky[:-1]], ["gpt_base"])


def test_what_cannot_be_compared_is_refused_in_one_sentence(folders, tmp_path):
    with pytest.raises(InputError, match="--base names gpt_none, of which there is no trial"):
        ablate(folders, ["gpt_none", "lstm_base"])
    with pytest.raises(InputError, match="--base names no setting of the group lstm, which lstm_base is of"):
        ablate(folders, ["gpt_base"])
    with pytest.raises(InputError, match="--base names both gpt_base and gpt_modern, which are of one group"):
        ablate(folders, ["gpt_base", "gpt_modern", "lstm_base"])
    several = write_trial(tmp_path, "gpt_base", 0.032, 0.5, tokens=2**22)
    with pytest.raises(InputError, match=r"gpt_base is the name of several settings: .* has 4,194,304 tokens in all"):
        ablate([*folders, several], ["gpt_base", "lstm_base"])
    diverged = trials(tmp_path, "gpt_hot", (None, None, None), beta1=0.5)
    with pytest.raises(InputError, match=r"every trial of gpt_hot diverged: try rates lower than 0\.004"):
        ablate([*folders, *diverged], ["gpt_base", "lstm_base"])
    path = Path(folders[1], "perplexity_val.json")
    measured = read_json(path)
    write_json(path, measured | {"text_sha256": "other"})
    with pytest.raises(InputError, match="were not measured on the same tunes"):
        ablate(folders, ["gpt_base", "lstm_base"])
    write_json(path, measured | {"split": "test"})
    with pytest.raises(InputError, match="trials must not see the test"):
        ablate(folders, ["gpt_base", "lstm_base"])
    write_json(path, measured)
    write_json(Path(folders[1], "config.json"), {"model": {}, "training": {}})
    with pytest.raises(InputError, match="is not a finished trial: its results lack"):
        ablate(folders, ["gpt_base", "lstm_base"])


def test_a_setting_that_config_json_cannot_tell_from_the_base_is_told_by_its_name(folders, tmp_path):
    same = trials(tmp_path, "gpt_cooldown", (0.1, 0.05, 0.1))
    _, summary = ablate([*folders, *same], ["gpt_base", "lstm_base"])
    (entry,) = (entry for entry in summary["settings"] if entry["model"] == "gpt_cooldown")
    assert entry["setting"] == "gpt_cooldown: no difference in config.json"


def test_from_folders_to_files(folders, tmp_path, capsys, planned_of):
    path = tmp_path / "out" / "ablations.csv"
    options = ["--folders", *folders, "--base", "gpt_base", "lstm_base", "--table", str(path)]
    main([*options, "--plan", str(planned_of({"gpt_base": {str(2**21): 61.5}}))])
    planned = pd.read_csv(path).groupby("model")["planned_seconds"].sum(min_count=1)
    assert planned.dropna().to_dict() == {"gpt_base": 3 * 61.5}
    capsys.readouterr()
    main(options)
    written = pd.read_csv(path)
    assert list(written) == ["group", "model", "setting", "params_non_embedding", "flops", "tokens", "seed",
                             "learning_rate", "val_loss", "val_loss_se", "seconds", "best"]  # fmt: skip
    assert np.isinf(written["val_loss"]).sum() == 1
    for suffix in ("pdf", "png"):
        assert path.with_suffix(f".{suffix}").stat().st_size > 1000
    said = capsys.readouterr().out
    assert "lstm  beta1 0.8: -0.0100 nats at 0.008, loss" in said
    assert "all three parts of modern: -0.1" in said
    summary = json.loads(path.with_suffix(".json").read_text())
    gpt, lstm = (as_markdown(summary, group).splitlines() for group in ("gpt", "lstm"))
    assert gpt[0] == "| setting | N | best rate | loss | difference [95%] | FLOP relative |"
    assert gpt[3].startswith("| all three parts of modern | 197k | 0.016 (end of range) | 1.")
    assert gpt[4] == f"| the base | 197k | 0.008 | {LOSS:.4f} | 0 | 1.00 |"
    assert gpt[5].startswith(f"| context 128 | 197k | 0.008 | {LOSS + 0.2:.4f} | +0.2000 [+0.2000, +0.2000] | 0.90")
    assert (len(gpt), len(lstm)) == (6, 4)
