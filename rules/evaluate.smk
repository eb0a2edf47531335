# Needs a trained model; makes its perplexity, what it writes, how much of that is music, and how much
# of it is copied.


rule perplexity:
    input:
        weights="<results>/models/{model}/{tokens}-seed{seed}/model.safetensors",
        config="<results>/models/{model}/{tokens}-seed{seed}/config.json",
        corpus=f"{CORPUS}/corpus.json",
        code=model_code("calc_perplexity"),
    output:
        summary="<results>/models/{model}/{tokens}-seed{seed}/perplexity.json",
        tunes="<results>/models/{model}/{tokens}-seed{seed}/perplexity_tunes.csv",
    params:
        data=subpath(input.corpus, parent=True),
        split="test",
    log:
        "<results>/logs/perplexity/{model}-{tokens}-seed{seed}.log",
    threads: config["threads_per_job"]
    resources:
        gpu=one_gpu,
        vram_mb=vram_mb,
        device=config["device"],
    conda:
        "../envs/environment.yaml"
    shell:
        """
        python -m workflow.scripts.calc_perplexity \
            --checkpoint {input.weights:q} \
            --data_dir {params.data:q} \
            --split {params.split} \
            --output {output.summary:q} \
            --device {resources.device} \
            --vram_mb {resources.vram_mb} \
            --threads {threads} \
            > {log} 2>&1
        """


use rule perplexity as trial_loss with:
    input:
        weights="<results>/lr_transfer/{model}/{tokens}-seed{seed}-lr{rate}/model.safetensors",
        config="<results>/lr_transfer/{model}/{tokens}-seed{seed}-lr{rate}/config.json",
        corpus=f"{CORPUS}/corpus.json",
        code=model_code("calc_perplexity"),
    output:
        summary="<results>/lr_transfer/{model}/{tokens}-seed{seed}-lr{rate}/perplexity.json",
        tunes="<results>/lr_transfer/{model}/{tokens}-seed{seed}-lr{rate}/perplexity_tunes.csv",
    params:
        data=subpath(input.corpus, parent=True),
        split="val",
    log:
        "<results>/logs/lr_transfer/perplexity-{model}-{tokens}-seed{seed}-lr{rate}.log",


rule sample:
    input:
        weights="<results>/models/{model}/{tokens}-seed{seed}/model.safetensors",
        config="<results>/models/{model}/{tokens}-seed{seed}/config.json",
        code=model_code("sample"),
    output:
        directory("<results>/models/{model}/{tokens}-seed{seed}/samples"),
    params:
        number=config["num_samples"],
        longest=config["max_new_tokens"],
        temperature=config["temperature"],
        top_k=config["top_k"],
        top_p=config["top_p"],
    log:
        "<results>/logs/sample/{model}-{tokens}-seed{seed}.log",
    threads: config["threads_per_job"]
    resources:
        gpu=one_gpu,
        vram_mb=vram_mb,
        device=config["device"],
    conda:
        "../envs/environment.yaml"
    shell:
        """
        python -m workflow.scripts.sample \
            --checkpoint_dir {input.weights:q} \
            --output_dir {output:q} \
            --num_samples {params.number} \
            --max_new_tokens {params.longest} \
            --temperature {params.temperature} \
            --top_k {params.top_k} \
            --top_p {params.top_p} \
            --seed {wildcards.seed} \
            --device {resources.device} \
            --vram_mb {resources.vram_mb} \
            --threads {threads} \
            > {log} 2>&1
        """


rule syntax:
    input:
        samples="<results>/models/{model}/{tokens}-seed{seed}/samples",
        code=code("eval_syntax"),
    output:
        verdicts="<results>/models/{model}/{tokens}-seed{seed}/validity.json",
        midi=directory("<results>/models/{model}/{tokens}-seed{seed}/midi"),
    log:
        "<results>/logs/syntax/{model}-{tokens}-seed{seed}.log",
    conda:
        "../envs/environment.yaml"
    shell:
        """
        python -m workflow.scripts.eval_syntax \
            --folder {input.samples:q} \
            --json {output.verdicts:q} \
            --midi_dir {output.midi:q} \
            > {log} 2>&1
        """


rule copying:
    input:
        samples="<results>/models/{model}/{tokens}-seed{seed}/samples",
        index=f"{CORPUS}/copy_index",
        code=code("copying"),
    output:
        "<results>/models/{model}/{tokens}-seed{seed}/copying.json",
    log:
        "<results>/logs/copying/{model}-{tokens}-seed{seed}.log",
    conda:
        "../envs/environment.yaml"
    shell:
        """
        python -m workflow.scripts.copying \
            --folder {input.samples:q} \
            --index {input.index:q} \
            --output {output:q} \
            > {log} 2>&1
        """
