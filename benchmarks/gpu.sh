#!/usr/bin/env bash
# Measures tessera and its peers on a GPU host in turn: A, B, A, B, in one run, and compares them.
set -u

usage() {
    cat <<'TEXT'
usage: benchmarks/gpu.sh --program PATH --out DIR [options]

  --program PATH     the tessera to measure: ./tessera, or bin/tessera of an unpacked tessera-gpu archive
  --out DIR          gets results.jsonl (a row a line), table.txt and log.txt; rows are added to those that are there
  --pieces LIST      of kernels, train, decode, int8; default train,decode
  --contenders LIST  of tessera, eager, compiled (train), static, dynamic (decode), torch (kernels); default all
  --rounds N         turns of each piece, default 2
  --seconds N        nothing is begun, and what runs is stopped, after so many seconds; default 540
  --filter WORDS     of tessera's kernels, as bench kernels --filter
  --train-shape NAME --train-batch DxT --decode-shape NAME --decode-batch LIST --input N --output N
                     default llama-3.2-1b 4x4096, llama-3.1-8b 1,64, 128 in, 64 out
  --device NAME      of tessera, default cuda
  --dry-run          prints the commands

Needed: bash, python3 with torch and transformers for the peers. No network. What fails is written to log.txt; the rest goes on.
TEXT
}

home=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
program='' out='' pieces=train,decode contenders=tessera,eager,compiled,static,dynamic,torch rounds=2 seconds=540 filter='' dry=0
train_shape=llama-3.2-1b train_batch=4x4096 decode_shape=llama-3.1-8b decode_batch=1,64 input=128 output=64 device=cuda

while (($#)); do
    case $1 in
        --dry-run) dry=1 && shift && continue ;;
        --help | -h) usage && exit 0 ;;
    esac
    (($# > 1)) || { echo "gpu.sh: $1 needs a value" >&2 && exit 2; }
    case $1 in
        --program) program=$2 ;;
        --out) out=$2 ;;
        --pieces) pieces=$2 ;;
        --contenders) contenders=$2 ;;
        --rounds) rounds=$2 ;;
        --seconds) seconds=$2 ;;
        --filter) filter=$2 ;;
        --train-shape) train_shape=$2 ;;
        --train-batch) train_batch=$2 ;;
        --decode-shape) decode_shape=$2 ;;
        --decode-batch) decode_batch=$2 ;;
        --input) input=$2 ;;
        --output) output=$2 ;;
        --device) device=$2 ;;
        *) echo "gpu.sh: unknown option '$1' (see --help)" >&2 && exit 2 ;;
    esac
    shift 2
done

[[ -n $out ]] || { usage >&2 && exit 2; }
for piece in ${pieces//,/ }; do
    [[ " kernels train decode int8 " == *" $piece "* ]] || { echo "gpu.sh: --pieces $pieces: there is no piece '$piece'" >&2 && exit 2; }
done
if [[ ,$contenders, == *,tessera,* && ! -x $program ]]; then
    echo "gpu.sh: --program '$program': expected the tessera to measure" >&2 && exit 2
fi

mkdir -p "$out" || exit 1
results=$out/results.jsonl log=$out/log.txt begun=$SECONDS failed=0

# Compiled code of both is kept, so that a second turn does not compile again.
export TORCHINDUCTOR_CACHE_DIR=${TORCHINDUCTOR_CACHE_DIR:-/tmp/peers-inductor} TORCHINDUCTOR_FX_GRAPH_CACHE=1
export HF_HUB_OFFLINE=1 TRANSFORMERS_OFFLINE=1 TOKENIZERS_PARALLELISM=false PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
export PYTORCH_CUDA_ALLOC_CONF=${PYTORCH_CUDA_ALLOC_CONF:-expandable_segments:True}

wants() { [[ ,$contenders, == *,$1,* ]]; }

# measure PIECE CONTENDER ROUND COMMAND...: its rows go into the results, with what it says beside them into the log.
measure() {
    local piece=$1 contender=$2 round=$3 left=$((seconds - (SECONDS - begun))) start=$SECONDS code
    shift 3
    if ((dry)); then
        printf '%s\n' "$*"
        return
    fi
    if ((left < 20)); then
        echo "gpu.sh: no time is left for $piece $contender, round $round" | tee -a "$log"
        failed=1
        return
    fi
    printf '\n== %s %s, round %d: %s\n' "$piece" "$contender" "$round" "$*" >>"$log"
    timeout -k 5 "$left" "$@" 2>>"$log" >"$out/rows.part"
    code=$?
    if ! python3 "$home/peers/collect.py" add "$results" "$piece" "$contender" "$round" <"$out/rows.part" 2>>"$log"; then
        cat "$out/rows.part" >>"$log"
        code=$((code ? code : 1))
    fi
    rm -f "$out/rows.part"
    ((code)) && failed=1
    printf '%s %s, round %d: %d s%s\n' "$piece" "$contender" "$round" $((SECONDS - start)) "$( ((code)) && echo ", failed with code $code: see log.txt")"
}

ours() {
    local piece=$1 round=$2
    shift 2
    if wants tessera; then
        measure "$piece" tessera "$round" "$program" bench "$@" --device "$device" --json
    fi
}

for piece in ${pieces//,/ }; do
    for ((round = 1; round <= rounds; round++)); do
        case $piece in
            kernels)
                ours kernels "$round" kernels --seconds 0.1 ${filter:+--filter "$filter"}
                wants torch && measure kernels torch "$round" python3 "$home/peers/kernels.py"
                ;;
            train)
                ours train "$round" train --shape "$train_shape" --batch "$train_batch" --precision bf16
                for mode in eager compiled; do
                    wants $mode && measure train $mode "$round" python3 "$home/peers/train.py" --shape "$train_shape" --batch "$train_batch" --mode $mode
                done
                ;;
            decode | int8)
                type=bf16
                [[ $piece == int8 ]] && type=int8
                ours decode "$round" decode --shape "$decode_shape" --batch "$decode_batch" --input-length "$input" --output-length "$output" \
                    --rounds 3 --dtype $type
                [[ $piece == int8 ]] && continue
                for mode in static dynamic; do
                    wants $mode && measure decode $mode "$round" python3 "$home/peers/decode.py" --shape "$decode_shape" --batch "$decode_batch" \
                        --input-length "$input" --output-length "$output" --modes $mode
                done
                ;;
        esac
    done
done

((dry)) && exit 0
if [[ -s $results ]]; then
    python3 "$home/peers/collect.py" table "$results" | tee "$out/table.txt"
fi
exit $failed
