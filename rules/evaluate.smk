# Needs trained models; makes their perplexity, what they write, how much of that is music, how it sounds, and how much
# of it is copied; the same of what real tunes and n-grams put beside it. A run's config.json stands for its weights, of
# which it holds the hash.


# One process scores the runs at every budget and lets the longest write: each by itself would wait for torch to load.
rule evaluate:
    input:
        config=each_budget("config.json"),
        weights=beside(*each_budget("model.safetensors")),
        corpus=f"{CORPUS}/corpus.json",
        tokens=OF_CORPUS,
    output:
        # The tables hold the hashes of the tunes beside them, and so stand for them.
        written=tables_of_tunes(LONGEST_RUN),
        summary=each_budget("perplexity.json"),
        tunes=each_budget("perplexity_tunes.csv"),
    log:
        "<results>/logs/evaluate/{model}-seed{seed}.log",
    conda:
        "../envs/environment.yaml"
    threads: config["threads_per_job"]
    resources:
        gpu=one_gpu,
        vram_mb=vram_mb,
        device=config["device"],
    params:
        flags=sample_flags,
        code=model_code("in_turn", "calc_perplexity", "sample", late=True),
        data=subpath(input.corpus, parent=True),
        folders=folders_of_runs,
        longest=subpath(output[0], ancestor=1 if IN_BUCKET else 2),
    shell:
        """
        python -m workflow.scripts.in_turn \
            calc_perplexity --split test \
            --checkpoint {params.folders:q} \
            --data_dir {params.data:q} \
            --device {resources.device} \
            --vram_mb {resources.vram_mb} \
            --threads {threads} \
            --then sample {params.flags} \
            --checkpoint_dir {params.longest:q} \
            --output_dir {params.longest:q}/samples \
            --prompted_dir {params.longest:q}/prompted \
            --seed {wildcards.seed} \
            --device {resources.device} \
            --vram_mb {resources.vram_mb} \
            --threads {threads} \
            >{log:q} 2>&1
        """


# Of a run that is not the longest, tunes are drawn if they are asked for.
ruleorder: evaluate > sample


rule sample:
    input:
        config=f"{RUN}/config.json",
        weights=beside(f"{RUN}/model.safetensors"),
    output:
        written=tables_of_tunes(RUN),
    log:
        "<results>/logs/sample/{model}-{tokens}-seed{seed}.log",
    conda:
        "../envs/environment.yaml"
    threads: config["threads_per_job"]
    resources:
        gpu=one_gpu,
        vram_mb=vram_mb,
        device=config["device"],
    params:
        flags=sample_flags,
        code=model_code("sample", late=True),
        run=subpath(input.config, parent=True),
    shell:
        """
        python -m workflow.scripts.sample {params.flags} \
            --checkpoint_dir {params.run:q} \
            --output_dir {params.run:q}/samples \
            --prompted_dir {params.run:q}/prompted \
            --seed {wildcards.seed} \
            --device {resources.device} \
            --vram_mb {resources.vram_mb} \
            --threads {threads} \
            >{log:q} 2>&1
        """


use rule evaluate as evaluate_target with:
    input:
        config=f"{TARGET}/config.json",
        weights=beside(f"{TARGET}/model.safetensors"),
        corpus=f"{CORPUS}/corpus.json",
        tokens=OF_CORPUS,
    output:
        written=tables_of_tunes(TARGET),
        summary=f"{TARGET}/perplexity.json",
        tunes=f"{TARGET}/perplexity_tunes.csv",
    log:
        "<results>/logs/targets/evaluate-{model}-{tokens}-seed{seed}.log",


# Of a longer run, or of a trial, the loss alone.
rule trial_loss:
    input:
        config=f"{TRIAL}/config.json",
        weights=beside(f"{TRIAL}/model.safetensors"),
        corpus=f"{CORPUS}/corpus.json",
        tokens=OF_CORPUS,
    output:
        summary=f"{TRIAL}/perplexity_val.json",
        tunes=f"{TRIAL}/perplexity_val_tunes.csv",
    log:
        "<results>/logs/{trials}/perplexity-{model}-{tokens}-seed{seed}-lr{rate}.log",
    conda:
        "../envs/environment.yaml"
    threads: config["threads_per_job"]
    resources:
        gpu=one_gpu,
        vram_mb=vram_mb,
        device=config["device"],
    params:
        code=model_code("calc_perplexity"),
        data=subpath(input.corpus, parent=True),
        folder=subpath(output.summary, parent=True),
        split=lambda wildcards: "val" if "rate" in wildcards.keys() else "test",
    shell:
        """
        python -m workflow.scripts.calc_perplexity --split {params.split} \
            --checkpoint {params.folder:q} \
            --data_dir {params.data:q} \
            --device {resources.device} \
            --vram_mb {resources.vram_mb} \
            --threads {threads} \
            >{log:q} 2>&1
        """


use rule trial_loss as loss_of_longer with:
    input:
        config=f"{RUN}/config.json",
        weights=beside(f"{RUN}/model.safetensors"),
        corpus=f"{CORPUS}/corpus.json",
        tokens=OF_CORPUS,
    output:
        summary=f"{RUN}/perplexity.json",
        tunes=f"{RUN}/perplexity_tunes.csv",
    log:
        "<results>/logs/evaluate/{model}-{tokens}-seed{seed}.log",
    wildcard_constraints:
        tokens=LONGER,


rule draw_real:
    input:
        corpus=f"{CORPUS}/corpus.json",
        tokens=OF_CORPUS,
    output:
        table_of_baseline("real"),
    log:
        "<results>/logs/sample/real.log",
    conda:
        "../envs/environment.yaml"
    params:
        flags=baseline_flags,
        code=code("draw_real"),
        data=subpath(input.corpus, parent=True),
        folder=folder_written,
    shell:
        """
        python -m workflow.scripts.draw_real {params.flags} \
            --data_dir {params.data:q} \
            --output_dir {params.folder:q} \
            >{log:q} 2>&1
        """


rule sample_ngram:
    input:
        corpus=f"{CORPUS}/corpus.json",
        tokens=OF_CORPUS,
    output:
        table_of_baseline("ngram{order}"),
    log:
        "<results>/logs/sample/ngram{order}.log",
    conda:
        "../envs/environment.yaml"
    params:
        flags=baseline_flags,
        code=code("sample_ngram"),
        data=subpath(input.corpus, parent=True),
        folder=folder_written,
    shell:
        """
        python -m workflow.scripts.sample_ngram {params.flags} \
            --order {wildcards.order} \
            --data_dir {params.data:q} \
            --output_dir {params.folder:q} \
            >{log:q} 2>&1
        """


# The writer is a run of a model, or one of the baselines.
rule judge:
    input:
        samples=tables_of,
        corpus=f"{CORPUS}/corpus.json",
        tokens=OF_CORPUS,
        index=str(with_its_folder(f"{CORPUS}/copy_index/index.json")),
    output:
        validity="<results>/{writer}/validity.json",
        style="<results>/{writer}/style.json",
        copying="<results>/{writer}/copying.json",
        midi=directory("<results>/{writer}/midi"),
    log:
        "<results>/logs/judge/{writer}.log",
    conda:
        "../envs/environment.yaml"
    params:
        flags=judge_flags,
        code=code("judge"),
        data=subpath(input.corpus, parent=True),
        folder=subpath(output.validity, parent=True),
    shell:
        """
        python -m workflow.scripts.judge {params.flags} \
            --writers {params.folder:q} \
            --data_dir {params.data:q} \
            >{log:q} 2>&1
        """
