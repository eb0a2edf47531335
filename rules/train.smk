# Needs a prepared corpus; makes the trained models, and the sweep that their learning rates come from.


rule train:
    input:
        # The report's content hash stands for the token files: they are rewritten with it.
        corpus=f"{CORPUS}/corpus.json",
        tokens=ancient(CORPUS_FILES),
        code=model_code("train"),
    output:
        weights="<results>/models/{model}/{tokens}-seed{seed}/model.safetensors",
        config="<results>/models/{model}/{tokens}-seed{seed}/config.json",
        history="<results>/models/{model}/{tokens}-seed{seed}/history.csv",
    params:
        flags=train_flags,
        data=subpath(input.corpus, parent=True),
        # Holds the undeclared checkpoint.pt from which a killed job goes on.
        folder=subpath(output.weights, parent=True),
    log:
        "<results>/logs/train/{model}-{tokens}-seed{seed}.log",
    threads: config["threads_per_job"]
    resources:
        gpu=int(config["device"].startswith("cuda")),
    conda:
        "../envs/environment.yaml"
    shell:
        """
        python -m workflow.scripts.train \
            --model_name {wildcards.model} {params.flags} \
            --tokens {wildcards.tokens} \
            --seed {wildcards.seed} \
            --data_dir {params.data:q} \
            --output_dir {params.folder:q} \
            --threads {threads} \
            --wait \
            > {log} 2>&1
        """


use rule train as train_at_rate with:
    output:
        weights="<results>/lr_sweep/{model}/{tokens}-seed{seed}-lr{rate}/model.safetensors",
        config="<results>/lr_sweep/{model}/{tokens}-seed{seed}-lr{rate}/config.json",
        history="<results>/lr_sweep/{model}/{tokens}-seed{seed}-lr{rate}/history.csv",
    log:
        "<results>/logs/lr_sweep/{model}-{tokens}-seed{seed}-lr{rate}.log",
