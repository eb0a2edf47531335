# CUDA environment of the workflow; torch's wheel brings CUDA itself, the host its driver.
#   docker compose run dev snakemake --cores 4
FROM python:3.11-bookworm

ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1

COPY requirements*.txt /tmp/
RUN python3 -m venv /opt/venv && pip install --no-cache-dir -r /tmp/requirements-dev.txt

WORKDIR /work
CMD ["snakemake", "--cores", "all"]
