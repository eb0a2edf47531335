"""How much memory a training job will take, from its shape: of a GPU, as no GPU has confirmed yet, and of the host."""

import math

from workflow.scripts.machine.options import CONTEXT_MB
from workflow.scripts.models import ModelConfig, kind_of, module_for

MB = 1 << 20  # as nvidia-smi counts
# Bytes of activations that wait for the backward pass, for each token, layer and unit of n_embd, by
# (precision is float32, it is not). In bfloat16 a GPT keeps the residual stream before both norms (8), the
# inputs of its projections (2 + 2 + 2 + 8), q and k before and after rotation and v (10), the attention's
# result (2) and the GELU's argument (8). What cuDNN reserves for an LSTM is not documented: four gates, the
# cell, its tanh, input and output, and the gradients of the gates, are 12 numbers of 4 or 2 bytes.
ACTIVATIONS = {"gpt": (76, 42), "lstm": (48, 24)}
# Copies of the weights in 16 bits: those the products read and, as cuDNN has one buffer for all layers, their gradient.
COPIES = {"gpt": 2, "lstm": 4}
# The same on a CPU at the peak of a step, by (float32, bfloat16): of each layer, and once beside them. Measured at
# widths of 128 to 448, 1 to 8 layers and 1,024 to 16,384 tokens in a pass, on an AVX-512 CPU. In float32 a Transformer
# keeps those of one window at a time.
ON_CPU = {"gpt": ((40, 100), (30, 80)), "lstm": ((32, 9), (36, 4))}
LAID_OUT = 8  # bytes a parameter of weights laid out for our kernels in float32, and of all of them in one array
CPU_PROCESS_MB = 365  # Python, torch, our modules and kernels, in the steps of the smallest models: measured
GPU_PROCESS_MB = 3000  # the same with CUDA, cuBLAS, cuDNN and torch.compile's own processes: assumed, not measured
STATE = 12  # bytes a parameter of a saved state: the weight and two moments


def vram_mb(
    arch: str, n_layer: int, n_embd: int, vocab_size: int, block_size: int, micro_batch: int, precision: str
) -> int:
    """Peak GPU memory of a training job in MB of 2**20 bytes, rounded up to 100.

    16 bytes a parameter (weight, gradient and two moments in float32), 16-bit copies of the weights, the
    activations of all layers and once more of the layer that the backward pass is at, 10 or 12 bytes a
    logit, and the CUDA context. ``precision`` 'auto' is taken for bfloat16, which every card since 2020
    has. An architecture not known here counts as a GPT.

    This is derived, not yet compared with a GPU, as `python -m benchmarks.memory --device cuda` does; a job that runs
    out of memory halves its micro-batch.
    """
    exact = precision == "float32"
    _, params = module_for(arch).count_params(
        ModelConfig(arch=arch, vocab_size=vocab_size, block_size=block_size, n_layer=n_layer, n_embd=n_embd, n_head=1)
    )
    full, half = ACTIVATIONS.get(kind_of(arch), ACTIVATIONS["gpt"])
    weights = params * (16 if exact else 16 + COPIES.get(kind_of(arch), COPIES["gpt"]))
    activations = (n_layer + 1) * n_embd * (full if exact else half)
    logits = vocab_size * (4 + 4 + 4 if exact else 2 + 4 + 4)  # as they come, their log-softmax, its gradient
    total = weights + micro_batch * block_size * (activations + logits)
    return 100 * math.ceil((total / MB + CONTEXT_MB) / 100)


def micro_batch_for(memory_mb: int, batch: int, **shape) -> int:
    """The largest divisor of ``batch`` windows that trains in ``memory_mb``; ``shape`` is what `vram_mb` takes.

    It is 1 where even one window should not fit: an estimate refuses nobody.
    """
    fitting = (m for m in range(batch, 1, -1) if batch % m == 0 and vram_mb(micro_batch=m, **shape) <= memory_mb)
    return next(fitting, 1)


def host_mb(config: ModelConfig, micro_batch: int, precision: str, tokens: int, on_gpu: bool = False) -> int:
    """Peak memory of a training job's process on its machine in MB of 2**20 bytes, rounded up to 10.

    On a CPU: the process itself; weights, gradients and two moments in float32 (16 bytes a parameter), and the weights
    as our kernels want them; activations, and 12 bytes a logit. With a GPU: the process itself. To either comes a state
    when it is read back, 12 bytes a parameter, which on a CPU takes the place of gradients and activations; and the
    ``tokens`` of the longest run, as they are read and laid out. An architecture not known here counts as a GPT.

    Args:
        config: the shape.
        micro_batch: windows in one forward pass.
        precision: "float32" or "bfloat16".
        tokens: that the job's longest run reads.
    """
    _, params = module_for(config.arch).count_params(config)
    held = 3 * tokens * (1 if config.vocab_size <= 256 else 2)
    if on_gpu:
        return 10 * math.ceil(((2 * STATE * params + held) / MB + GPU_PROCESS_MB) / 10)
    each, once = ON_CPU.get(kind_of(config.arch), ON_CPU["gpt"])[0 if precision == "float32" else 1]
    a_token = config.n_embd * (config.n_layer * each + once) + 12 * config.vocab_size
    windows = 1 if precision == "float32" and kind_of(config.arch) != "lstm" else micro_batch
    step = (4 + LAID_OUT) * params + windows * config.block_size * a_token
    return 10 * math.ceil(((STATE * params + max(step, STATE * params) + held) / MB + CPU_PROCESS_MB) / 10)
