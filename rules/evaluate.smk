# Needs a trained model; makes its perplexity, what it writes, how much of that is music, how it sounds, and
# how much of it is copied; the same of what real tunes and n-grams put beside it.


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


rule prompt_set:
    output:
        "<results>/prompts.json",
    params:
        prompts=json.dumps(config["prompts"]),
    log:
        "<results>/logs/prompt_set.log",
    conda:
        "../envs/environment.yaml"
    shell:
        "printf '%s\\n' {params.prompts:q} > {output:q} 2> {log}"


rule sample:
    input:
        weights="<results>/models/{model}/{tokens}-seed{seed}/model.safetensors",
        config="<results>/models/{model}/{tokens}-seed{seed}/config.json",
        prompts="<results>/prompts.json",
        code=model_code("sample"),
    output:
        samples=directory("<results>/models/{model}/{tokens}-seed{seed}/samples"),
        prompted=directory("<results>/models/{model}/{tokens}-seed{seed}/prompted"),
    params:
        number=config["num_samples"],
        each=config["samples_per_prompt"],
        longest=config["max_new_tokens"],
        temperature=config["temperature"],
        top_k=config["top_k"],
        top_p=config["top_p"],
        min_p=config["min_p"],
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
            --output_dir {output.samples:q} \
            --num_samples {params.number} \
            --prompt_set {input.prompts:q} \
            --prompted_dir {output.prompted:q} \
            --samples_per_prompt {params.each} \
            --max_new_tokens {params.longest} \
            --temperature {params.temperature} \
            --top_k {params.top_k} \
            --top_p {params.top_p} \
            --min_p {params.min_p} \
            --seed {wildcards.seed} \
            --device {resources.device} \
            --vram_mb {resources.vram_mb} \
            --threads {threads} \
            > {log} 2>&1
        """


rule draw_real:
    input:
        corpus=f"{CORPUS}/corpus.json",
        code=code("draw_real"),
    output:
        directory("<results>/baselines/real/samples"),
    params:
        data=subpath(input.corpus, parent=True),
        number=config["baseline_samples"],
        longest=config["max_new_tokens"],
    log:
        "<results>/logs/sample/real.log",
    conda:
        "../envs/environment.yaml"
    shell:
        """
        python -m workflow.scripts.draw_real \
            --data_dir {params.data:q} \
            --output_dir {output:q} \
            --num_samples {params.number} \
            --max_new_tokens {params.longest} \
            > {log} 2>&1
        """


rule sample_ngram:
    input:
        corpus=f"{CORPUS}/corpus.json",
        code=code("sample_ngram"),
    output:
        directory("<results>/baselines/ngram{order}/samples"),
    params:
        data=subpath(input.corpus, parent=True),
        number=config["baseline_samples"],
        longest=config["max_new_tokens"],
    log:
        "<results>/logs/sample/ngram{order}.log",
    conda:
        "../envs/environment.yaml"
    shell:
        """
        python -m workflow.scripts.sample_ngram \
            --data_dir {params.data:q} \
            --order {wildcards.order} \
            --output_dir {output:q} \
            --num_samples {params.number} \
            --max_new_tokens {params.longest} \
            > {log} 2>&1
        """


# The writer is a run of a model or one of the baselines.
rule syntax:
    input:
        samples="<results>/{writer}/samples",
        code=code("eval_syntax"),
    output:
        verdicts="<results>/{writer}/validity.json",
        midi=directory("<results>/{writer}/midi"),
    log:
        "<results>/logs/syntax/{writer}.log",
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


rule style:
    input:
        samples="<results>/{writer}/samples",
        prompted=prompted_of,
        corpus=f"{CORPUS}/corpus.json",
        code=code("eval_style"),
    output:
        "<results>/{writer}/style.json",
    params:
        data=subpath(input.corpus, parent=True),
        prompted=lambda wildcards, input: (
            expand("{folder}/{name}", folder=input.prompted, name=config["prompts"])
        ),
    log:
        "<results>/logs/style/{writer}.log",
    conda:
        "../envs/environment.yaml"
    shell:
        """
        python -m workflow.scripts.eval_style \
            --folders {input.samples:q} {params.prompted:q} \
            --data_dir {params.data:q} \
            --output {output:q} \
            > {log} 2>&1
        """


rule copying:
    input:
        samples="<results>/{writer}/samples",
        index=f"{CORPUS}/copy_index",
        code=code("copying"),
    output:
        "<results>/{writer}/copying.json",
    log:
        "<results>/logs/copying/{writer}.log",
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
