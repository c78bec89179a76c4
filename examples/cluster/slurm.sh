#!/usr/bin/env bash
# A run on several servers under Slurm: sbatch examples/cluster/slurm.sh
# The folder of this file's call, with the virtual environment, the data and the run, is on a file
# system that all servers share. A run that Slurm stops or moves goes on after its last checkpoint.
#SBATCH --job-name=autogpt
#SBATCH --nodes=8
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH --cpus-per-task=64
#SBATCH --time=04:00:00
#SBATCH --requeue
#SBATCH --signal=TERM@120
#SBATCH --output=%x-%j.log
set -euo pipefail

SOURCE=${SOURCE:-data/corpus}
OUT=${OUT:-runs/cluster}
BUDGET=${BUDGET:-3h}
GPUS=${SLURM_GPUS_ON_NODE:-8}
# The first server of the job is where the others meet.
FIRST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)

# The network that gloo and NCCL use to find each other; name it if there are several.
# export GLOO_SOCKET_IFNAME=eth0 NCCL_SOCKET_IFNAME=eth0

srun --kill-on-bad-exit=1 .venv/bin/torchrun \
    --nnodes="$SLURM_NNODES" \
    --nproc-per-node="$GPUS" \
    --rdzv-id="$SLURM_JOB_ID" \
    --rdzv-backend=c10d \
    --rdzv-endpoint="$FIRST:29500" \
    -m autogpt train "$SOURCE" --budget "$BUDGET" --out "$OUT" --resume --quiet \
    --set model.hidden_size=2048 --set model.num_hidden_layers=20 \
    --set model.context_length=2048 --set training.batch_size=512
