# Needs a prepared corpus; makes the trained models: of each model and seed one trunk, and off it one cooldown a
# budget. And the trials that the learning rates come from.


rule trunk:
    input:
        # The report's content hash stands for the token files: they are rewritten with it.
        corpus=f"{CORPUS}/corpus.json",
        tokens=ancient(CORPUS_FILES),
        code=model_code("train"),
    output:
        # As large as three models each, and of no use once the cooldowns are done (--notemp keeps them).
        branches=[
            temp(f"<results>/trunks/{{model}}/seed{{seed}}/branch-{tokens}.pt")
            for tokens in sorted(config["tokens"])
        ],
        record="<results>/trunks/{model}/seed{seed}/trunk.json",
    params:
        flags=train_flags,
        budgets=sorted(config["tokens"]),
        data=subpath(input.corpus, parent=True),
        # Holds the undeclared checkpoint.pt from which a killed job goes on.
        folder=subpath(output.record, parent=True),
    log:
        "<results>/logs/trunk/{model}-seed{seed}.log",
    threads: config["threads_per_job"]
    resources:
        gpu=gpus,
        vram_mb=vram_mb,
        # Not params, which train again when they change: these change no result but for rounding.
        launch=launch,
        device=config["device"],
        checkpoint_seconds=str(config["checkpoint_seconds"]),
    conda:
        "../envs/environment.yaml"
    shell:
        """
        {resources.launch} -m workflow.scripts.train \
            --model_name {wildcards.model} {params.flags} \
            --trunk_for {params.budgets} \
            --seed {wildcards.seed} \
            --data_dir {params.data:q} \
            --output_dir {params.folder:q} \
            --device {resources.device} \
            --vram_mb {resources.vram_mb} \
            --checkpoint_seconds {resources.checkpoint_seconds} \
            --threads {threads} \
            --wait \
            > {log} 2>&1
        """


rule cooldown:
    input:
        corpus=f"{CORPUS}/corpus.json",
        tokens=ancient(CORPUS_FILES),
        code=model_code("train"),
        # A short cut to the same weights: all that they depend on stands above. So its age says nothing; but a trunk
        # that has to be trained again, for another budget say, has its cooldowns follow.
        branch=ancient(branch_of),
    output:
        weights="<results>/models/{model}/{tokens}-seed{seed}/model.safetensors",
        config="<results>/models/{model}/{tokens}-seed{seed}/config.json",
        history="<results>/models/{model}/{tokens}-seed{seed}/history.csv",
    params:
        flags=train_flags,
        branch=branch_flag,
        data=subpath(input.corpus, parent=True),
        folder=subpath(output.weights, parent=True),
    log:
        "<results>/logs/cooldown/{model}-{tokens}-seed{seed}.log",
    threads: config["threads_per_job"]
    resources:
        gpu=gpus,
        vram_mb=vram_mb,
        # Not params, which train again when they change: these change no result but for rounding.
        launch=launch,
        device=config["device"],
        checkpoint_seconds=str(config["checkpoint_seconds"]),
    conda:
        "../envs/environment.yaml"
    shell:
        """
        {resources.launch} -m workflow.scripts.train \
            --model_name {wildcards.model} {params.flags} \
            --tokens {wildcards.tokens} {params.branch} \
            --seed {wildcards.seed} \
            --data_dir {params.data:q} \
            --output_dir {params.folder:q} \
            --device {resources.device} \
            --vram_mb {resources.vram_mb} \
            --checkpoint_seconds {resources.checkpoint_seconds} \
            --threads {threads} \
            --wait \
            > {log} 2>&1
        """


# A trial of the learning rate, trained from its first step: trials share no trunk.
use rule cooldown as trial with:
    input:
        corpus=f"{CORPUS}/corpus.json",
        tokens=ancient(CORPUS_FILES),
        code=model_code("train"),
        branch=[],
    output:
        weights="<results>/lr_transfer/{model}/{tokens}-seed{seed}-lr{rate}/model.safetensors",
        config="<results>/lr_transfer/{model}/{tokens}-seed{seed}-lr{rate}/config.json",
        history="<results>/lr_transfer/{model}/{tokens}-seed{seed}-lr{rate}/history.csv",
    log:
        "<results>/logs/lr_transfer/{model}-{tokens}-seed{seed}-lr{rate}.log",
