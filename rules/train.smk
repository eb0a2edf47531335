# Needs a prepared corpus; makes the trained models, a job for each model and seed: it trains the longest run, and the
# runs of smaller budgets branch off it. And the trials that the learning rates come from.


rule train:
    input:
        # Its content hash stands for the token files: they are rewritten with it.
        corpus=f"{CORPUS}/corpus.json",
        tokens=OF_CORPUS,
    output:
        # Finished runs are kept as hard links, too: what is deleted before a job starts is not trained twice.
        weights=each_budget("model.safetensors"),
        config=each_budget("config.json"),
        history=each_budget("history.csv"),
    log:
        "<results>/logs/train/{model}-seed{seed}.log",
    wildcard_constraints:
        model=TOGETHER,
    conda:
        "../envs/environment.yaml"
    threads: config["threads_per_job"]
    resources:
        **planned("runtime"),
        **planned("mem_mb"),
        gpu=gpus,
        vram_mb=vram_mb,
        # Not params, which train again when they change: these change no result but for rounding.
        launch=launch,
        device=config["device"],
        checkpoint_seconds=str(config["checkpoint_seconds"]),
        tensorboard=str(config["tensorboard"]),
        work_dir=WORK,
    params:
        flags=train_flags,
        code=model_code("train"),
        data=subpath(input.corpus, parent=True),
        # Told by the outputs, and so never compared: a budget more or less trains no other one again.
        folders=folders_of_runs,
        budgets=budgets_of_runs,
    shell:
        """
        {resources.launch} -m workflow.scripts.train \
            --model_name {wildcards.model} {params.flags} \
            --seed {wildcards.seed} \
            --tokens {params.budgets} \
            --output_dir {params.folders:q} \
            --data_dir {params.data:q} \
            --device {resources.device} \
            --vram_mb {resources.vram_mb} \
            --checkpoint_seconds {resources.checkpoint_seconds} \
            --tensorboard {resources.tensorboard} \
            --work_dir={resources.work_dir:q} \
            --threads {threads} \
            --wait \
            >{log:q} 2>&1
        """


# Where the learning rate falls with the tokens of a run, each is trained by itself.
use rule train as train_alone with:
    output:
        weights=f"{RUN}/model.safetensors",
        config=f"{RUN}/config.json",
        history=f"{RUN}/history.csv",
    log:
        "<results>/logs/train/{model}-{tokens}-seed{seed}.log",
    wildcard_constraints:
        model=ALONE,


# So is a longer run of a model whose other runs share a trunk.
use rule train_alone as train_longer with:
    wildcard_constraints:
        model=TOGETHER,
        tokens=LONGER,


# A trial, of a learning rate or of another setting, is trained by itself.
use rule train as trial with:
    output:
        weights=f"{TRIAL}/model.safetensors",
        config=f"{TRIAL}/config.json",
        history=f"{TRIAL}/history.csv",
    log:
        "<results>/logs/{trials}/{model}-{tokens}-seed{seed}-lr{rate}.log",
    wildcard_constraints:
        model=ANY,


# A run that was forecast is trained by itself, and not before its forecast is registered.
use rule train as target with:
    input:
        corpus=f"{CORPUS}/corpus.json",
        tokens=OF_CORPUS,
        registered=registered,
    output:
        weights=f"{TARGET}/model.safetensors",
        config=f"{TARGET}/config.json",
        history=f"{TARGET}/history.csv",
    log:
        "<results>/logs/targets/{model}-{tokens}-seed{seed}.log",
    wildcard_constraints:
        model=ANY,
