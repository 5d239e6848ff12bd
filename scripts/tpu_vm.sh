#!/usr/bin/env bash
# Trains on a Cloud TPU, one host or a slice of several: docs/cloud_tpu.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() {
  cat <<'END'
usage: scripts/tpu_vm.sh [--dry_run] COMMAND [FLAGS]

  create          asks for a TPU and waits until it is there
  install         copies the committed code to all of its hosts, installs it
  copy_data       copies DATA to BUCKET/data; again, what has changed
  train FLAGS     starts, or goes on with, a training on all hosts
  follow          shows what process 0 prints
  stop            lets the training save and end
  evaluate FLAGS  scores the run on all hosts
  resume FLAGS    where the TPU was taken away: delete, create, install, train
  tensorboard     shows the run's curves on this machine
  delete          deletes the TPU, which costs money while it exists

FLAGS are those of python -m unimse_jax.train and unimse_jax.eval; data and
workdir are given. --dry_run prints the commands and runs none. Variables:

  BUCKET       where data and runs are, as gs://my-bucket; always needed
  ZONE         of the TPU, as us-west4-a; always needed
  ACCELERATOR  type of the TPU (v5litepod-8)
  RUNTIME      version of its software (the one that Google names for it)
  SPOT         1: cheaper, and may be taken away at any time
  TPU          name of the TPU (unimse)
  DATA         folder with the exported corpora and labels (data)
  RUN          name of the run (base), which is in BUCKET/runs/RUN
END
}

fail() {
  echo "error: $1" >&2
  exit 2
}

# Prints arguments as a shell reads them, with quotes only where needed.
quote() {
  local each words=()
  for each in "$@"; do
    [[ "$each" =~ ^[A-Za-z0-9_./:=@,+-]+$ ]] || each="${each@Q}"
    words+=("$each")
  done
  echo "${words[*]}"
}

run() {
  if [[ -n "$dry_run" ]]; then quote "$@"; else "$@"; fi
}

# Runs a shell command on hosts of the TPU.
on_hosts() {
  run gcloud compute tpus tpu-vm ssh "$TPU" "--zone=$ZONE" "--worker=$1" \
    "--command=$2"
}

runtime_of() {
  case "$1" in
    v4-*) echo tpu-ubuntu2204-base ;;
    v5litepod-*) echo v2-alpha-tpuv5-lite ;;
    v5p-*) echo v2-alpha-tpuv5 ;;
    v6e-*) echo v2-alpha-tpuv6e ;;
    *) fail "ACCELERATOR=$1: expected a v4, v5litepod, v5p or v6e, or RUNTIME" ;;
  esac
}

create() {
  local runtime="${RUNTIME:-}" spot=()
  runtime="${runtime:-$(runtime_of "$ACCELERATOR")}"
  [[ -z "${SPOT:-}" ]] || spot=(--spot)
  run gcloud compute tpus queued-resources create "$TPU" "--node-id=$TPU" \
    "--zone=$ZONE" "--accelerator-type=$ACCELERATOR" \
    "--runtime-version=$runtime" "${spot[@]}"
  wait_for_tpu
}

wait_for_tpu() {
  local state ask=(gcloud compute tpus queued-resources describe "$TPU"
    "--zone=$ZONE" "--format=value(state.state)")
  if [[ -n "$dry_run" ]]; then
    run "${ask[@]}"
    return
  fi
  while true; do
    state="$("${ask[@]}")"
    case "$state" in
      ACTIVE) return ;;
      FAILED | SUSPENDED) fail "$TPU: expected a TPU, found it $state" ;;
    esac
    echo "$TPU: $state" >&2
    sleep 30
  done
}

install() {
  # The commit travels as a repository, so that results can name it.
  run mkdir -p build
  run git bundle create build/unimse_jax.bundle HEAD
  run gcloud compute tpus tpu-vm scp build/unimse_jax.bundle "$TPU:" \
    "--zone=$ZONE" --worker=all
  # The hosts' own Python is older than 3.11; a new host is still updating.
  on_hosts all "sudo apt-get update && \
sudo apt-get -o DPkg::Lock::Timeout=600 install -y python3.11-venv && \
rm -rf unimse_jax && git clone --quiet unimse_jax.bundle unimse_jax && \
cd unimse_jax && python3.11 -m venv .venv && \
.venv/bin/python -m pip install --quiet -e '.[tpu,gcs]'"
}

copy_data() {
  [[ -n "$dry_run" || -d "$DATA" ]] || fail "DATA=$DATA: expected a folder"
  run gcloud storage rsync --recursive "$DATA" "$BUCKET/data"
}

train() {
  local command
  # --config, among FLAGS, must come before its fields.
  command="$(quote .venv/bin/python -m unimse_jax.train "$@" \
    "--config.data.dir=$BUCKET/data" \
    "--config.data.labels=$BUCKET/data/universal_labels.jsonl" \
    "--workdir=$BUCKET/runs/$RUN")"
  on_hosts all "cd unimse_jax && { UNIMSE_COORDINATOR=auto nohup $command \
>> train.log 2>&1 < /dev/null & echo \$! > train.pid; }"
}

follow() {
  on_hosts 0 "tail -n 50 -F unimse_jax/train.log"
}

stop() {
  # Whichever host hears it, all save the same step.
  # shellcheck disable=SC2016  # the host reads its own file
  on_hosts 0 'kill -TERM "$(cat unimse_jax/train.pid)"'
}

evaluate() {
  local command
  command="$(quote .venv/bin/python -m unimse_jax.eval "$@" \
    "--workdir=$BUCKET/runs/$RUN")"
  on_hosts all "cd unimse_jax && UNIMSE_COORDINATOR=auto $command"
}

resume() {
  delete || echo "$TPU: nothing was deleted" >&2
  create
  install
  train "$@"
}

tensorboard() {
  run .venv/bin/tensorboard --logdir "$BUCKET/runs/$RUN/tensorboard"
}

delete() {
  run gcloud compute tpus queued-resources delete "$TPU" "--zone=$ZONE" \
    --force --quiet
}

dry_run=""
if [[ "${1:-}" == --dry_run ]]; then
  dry_run=yes
  shift
fi
action="${1:-}"
shift || true
case "$action" in
  train | evaluate | resume) ;;
  create | install | copy_data | follow | stop | tensorboard | delete)
    [[ $# == 0 ]] || fail "$action: expected no flags, found $*"
    ;;
  -h | --help)
    usage
    exit
    ;;
  *)
    usage >&2
    fail "expected one of these commands, found '$action'"
    ;;
esac
[[ "${BUCKET:-}" == gs://?* ]] ||
  fail "BUCKET: expected gs://NAME, found '${BUCKET:-}'"
[[ -n "${ZONE:-}" ]] || fail "ZONE: expected a zone, as us-west4-a, found none"
BUCKET="${BUCKET%/}"
ACCELERATOR="${ACCELERATOR:-v5litepod-8}"
TPU="${TPU:-unimse}"
DATA="${DATA:-data}"
RUN="${RUN:-base}"
"$action" "$@"
