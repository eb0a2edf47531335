"""The columns of a stranger's table are found, and what was taken for what is said."""

import pytest

from workflow.scripts.base.errors import InputError
from workflow.scripts.tables.columns import parse_columns

OF_A_RUN = {"N": "1000000", "L": "2.5", "D": "20000000", "C": "1.2e14", "s": "0", "a": "gpt", "e": "0.01"}


def written(header: str, kinds: str) -> str:
    """A table of one run: the cell below each heading by its letter in `OF_A_RUN`."""
    return f"{header}\n{','.join(OF_A_RUN[kind] for kind in kinds)}\n"


@pytest.mark.parametrize(
    ("header", "kinds", "said"),
    [
        ("N,L", "NL", "params from 'N'; loss from 'L'"),
        ("num_params,val_loss", "NL", "params from 'num_params'; loss from 'val_loss'"),
        ("n_params,eval/loss", "NL", "params from 'n_params'; loss from 'eval/loss'"),
        ("num_parameters,final_loss", "NL", "params from 'num_parameters'; loss from 'final_loss'"),
        ("model_size,valid loss", "NL", "params from 'model_size'; loss from 'valid loss'"),
        ("# params,validation/loss", "NL", "params from '# params'; loss from 'validation/loss'"),
        ("summary/n_params,summary/loss", "NL", "params from 'summary/n_params'; loss from 'summary/loss'"),
        ("Params,Cross Entropy", "NL", "params from 'Params'; loss from 'Cross Entropy'"),
        ("size,loss", "NL", "params from 'size'"),
        ("backbone_parameters_total,c4_loss", "NL", "params from 'backbone_parameters_total'; loss from 'c4_loss'"),
        ("params,loss,D", "NLD", "tokens from 'D'"),
        ("params,loss,train tokens", "NLD", "tokens from 'train tokens'"),
        ("params,loss,tokens_seen", "NLD", "tokens from 'tokens_seen'"),
        ("params,loss,Training Dataset Size (tokens)", "NLD", "tokens from 'Training Dataset Size (tokens)'"),
        ("params,loss,C", "NLC", "flops from 'C'"),
        ("params,loss,Training compute (FLOP)", "NLC", "flops from 'Training compute (FLOP)'"),
        ("params,loss,total_flops", "NLC", "flops from 'total_flops'"),
        ("params,loss,Random-Seed", "NLs", "seed from 'Random-Seed'"),
        ("params,loss,stderr", "NLe", "loss_se from 'stderr'"),
        ("params,val_loss,val_loss_se", "NLe", "loss from 'val_loss'; loss_se from 'val_loss_se'"),
        ("Architecture,params,loss", "aNL", "arch from 'Architecture'"),
        # where two could be
        ("params,loss,test_loss", "NLL", "loss from 'test_loss', not 'loss'"),
        ("params,val_loss,test_loss,eval_loss", "NLLL", "loss from 'test_loss', not 'val_loss' or 'eval_loss'"),
        ("params,loss,val_loss", "NLL", "loss from 'loss', not 'val_loss'"),
        ("params_non_embedding,params,loss", "NNL", "params from 'params_non_embedding', not 'params'"),
        ("N,N_no_emb,loss", "NNL", "params from 'N_no_emb', not 'N'"),
        ("params,num_params,loss", "NNL", "params from 'params', not 'num_params'"),
        ("params,loss,D,train_tokens", "NLDD", "tokens from 'D', not 'train_tokens'"),
    ],
)
def test_usual_names_are_found_and_told(read, header, kinds, said):
    table, notes = read(written(header, kinds))
    assert notes[0] == f"columns: {said} (--columns takes others)"
    row = table.iloc[0]
    assert (row["params"], row["loss"], row["arch"]) == (1e6, 2.5, "gpt" if "a" in kinds else "all")
    for kind, name, value in (("D", "tokens", 2e7), ("C", "flops", 1.2e14), ("s", "seed", "0"), ("e", "loss_se", 0.01)):
        assert kind not in kinds or row[name] == value


@pytest.mark.parametrize(
    ("header", "kinds"),
    [("params,loss,train_loss", "NLe"), ("params,loss,loss_std,grad_norm", "NLee"), ("params,tokens,loss", "NDL"),
     ("params,loss,tokens_per_second,aux_loss", "NLDe"), ("params,embedding_params,loss", "NDL"),
     ("params,test_loss,test_loss_se", "NLe"), ("n_star,loss_star,tok_star", "NLD")],
)  # fmt: skip
def test_what_cannot_be_meant_is_not_told(read, header, kinds):
    table, notes = read(written(header, kinds))
    assert not [note for note in notes if note.startswith("columns")]
    assert (table["params"].iloc[0], table["loss"].iloc[0]) == (1e6, 2.5)


def test_numbers_decide_what_size_is(read):
    table, _ = read("size,params,loss\nsmall,5,2\n")
    assert (table["size"].iloc[0], table["params"].iloc[0]) == ("small", 5)
    with pytest.raises(InputError, match="has no column 'params'"):
        read("size,loss\nsmall,2\n")


def test_a_budget_is_tokens_or_flop_by_its_size(read):
    table, notes = read("params,budget,loss\n1e6,2e7,2\n")
    assert table["tokens"].iloc[0] == 2e7
    assert "'budget' is taken for tokens, by its size: about 20 for each parameter" in notes
    table, notes = read("params,budget,loss\n1e6,1.2e14,2\n")
    assert (table["flops"].iloc[0], table["tokens"].iloc[0]) == (1.2e14, 2e7)
    assert "'budget' is taken for flops, by its size: about 1.2e+08 for each parameter" in notes
    assert read("params,budget,tokens,loss\n1e6,2e7,2e7,2\n")[0]["flops"].iloc[0] == 2e7


def test_steps_are_no_tokens(read):
    table, notes = read("params,_step,loss\n1e6,1000,2\n")
    assert table["tokens"].isna().all()
    assert notes == ["'_step' counts steps, which are no tokens: tokens are taken as unknown"]
    assert read("params,_step,loss,tokens,flops\n1e6,1000,2,5e7,3e14\n")[1] == []


def test_a_loss_of_training_is_the_last_resort(read):
    table, notes = read("params,train_loss,val_ppl\n1e6,2,10\n")
    assert table["loss"].iloc[0] == pytest.approx(2.302585)
    table, notes = read("params,train/loss\n1e6,2\n")
    assert table["loss"].iloc[0] == 2
    assert "'train/loss' is a loss of training: that of data held out is higher" in notes


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        (
            "paramters,loss",
            ["has no column 'params'", "'paramters', 'loss'", "'paramters' is nearest", "--columns params="],
        ),
        ("params,lss", ["has no column 'loss'", "'lss' is nearest", "--columns loss="]),
        ("width,heat", ["has no column 'params'", "it has 'width', 'heat':"]),
        ("params|loss", ["has no column 'params'", "one cell, 'params|loss', split by |?"]),
        ("params loss", ["one cell, 'params loss', split by spaces?"]),
        ("params,wiki_loss,c4_loss", ["loss could be 'wiki_loss' or 'c4_loss'", "--columns loss="]),
        (",".join(f"column{i}" for i in range(30)), ["and 18 more"]),
        ('"a\nb",c', ["'a\\nb'"]),
    ],
)
def test_what_is_missing_is_one_sentence(read, header, parts):
    cells = ",".join("5" for _ in header.split(","))
    with pytest.raises(InputError) as raised:
        read(f"{header}\n{cells}\n{cells}\n")
    for part in parts:
        assert part in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 700


def test_columns_can_be_told(read):
    text = "loss,test_loss,b\n1,2,3\n"
    table, notes = read(text, given={"params": "b", "loss": "loss"})
    assert (table["params"].iloc[0], table["loss"].iloc[0]) == (3, 1)
    assert notes == []
    table, _ = read("n,loss\n5,2\n", given={"size": "n"})  # the name of a size, and its params
    assert (table["size"].iloc[0], table["params"].iloc[0]) == ("5", 5)
    with pytest.raises(InputError, match=r"no column 'test-loss', given for loss; it has .*'test_loss' is nearest"):
        read(text, given={"params": "b", "loss": "test-loss"})
    with pytest.raises(InputError, match="'parms' is no column that laws use; they use params, loss, tokens"):
        read(text, given={"parms": "b"})


def test_the_text_of_the_option():
    assert parse_columns("params=model/params,loss=eval/loss") == {"params": "model/params", "loss": "eval/loss"}
    assert parse_columns(" loss = test loss , params = N ") == {"loss": "test loss", "params": "N"}
    assert parse_columns("loss=a,b,params=x=y") == {"loss": "a,b", "params": "x=y"}
    for text, sentence in (
        ("", "is no list of NAME=COLUMN"),
        ("params", "is no list of NAME=COLUMN"),
        ("params=", "is no list of NAME=COLUMN"),
        ("params=a,params=b", "gives params twice: 'a' and 'b'"),
        ("width=a", "'width' is no column that laws use"),
    ):
        with pytest.raises(InputError, match=sentence):
            parse_columns(text)
