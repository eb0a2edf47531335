# Everything that the workflow needs, and the workflow: README.md, "Containers".
# Slim, since of the compilers, headers and tools of the full image only two are wanted: g++ by torch.compile, which
# trains on GPUs, and git by `register`, which writes down the commit.
FROM docker.io/library/python:3.11-slim-bookworm

RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ git \
    && rm -rf /var/lib/apt/lists/*

# cpu: torch's build for CPUs. cuda: its wheels bring CUDA, the host its driver.
ARG TORCH=cpu
COPY requirements*.txt /tmp/requirements/
RUN case "$TORCH" in cpu) file=requirements-cpu.txt ;; cuda) file=requirements.txt ;; esac \
    && cd /tmp/requirements \
    && pip install --no-cache-dir --root-user-action ignore -r "${file:?TORCH is cpu or cuda}" -r requirements-dev.txt

# Any user may run this, one without a name too: HOME, where caches go, and the workflow are writable by all. torch asks
# for the user's name.
ENV HOME=/home/dev USER=dev LOGNAME=dev
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY container/as-owner /opt/as-owner/
RUN useradd --uid 1000 --create-home dev && chmod 777 /home/dev \
    && cd /opt/as-owner \
    && ls /usr/bin /usr/local/bin | grep -v -e ^apt -e ^dpkg -e : | sort -u | xargs -n 1 ln -s as-owner
ENV PATH=/opt/as-owner:/home/dev/.local/bin:$PATH

WORKDIR /work
COPY . .
RUN chown -R dev:dev /work && chmod -R a+rwX /work

ENTRYPOINT ["as-owner"]
CMD ["snakemake", "--cores", "all"]
