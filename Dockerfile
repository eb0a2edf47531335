# CUDA environment of the workflow:  docker compose run dev snakemake --cores 4
FROM nvidia/cuda:12.6.3-runtime-ubuntu24.04

# abc2midi and midi2abc come with the symusic wheel, CUDA's libraries with torch's.
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 python3-venv git \
    && rm -rf /var/lib/apt/lists/*

ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1
COPY requirements.txt requirements-dev.txt /tmp/
RUN python3 -m venv /opt/venv \
    && pip install --no-cache-dir -r /tmp/requirements-dev.txt

WORKDIR /work
CMD ["snakemake", "--cores", "all"]
