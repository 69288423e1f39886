using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Tessera.Devices;

namespace Tessera.Kernels;

public static unsafe partial class Linear
{
    /// <summary>Up to this many tokens a weight is read once, as stored; beyond, packing it for <see cref="Gemm"/> pays.</summary>
    public const int StreamingTokens = 24;

    // Below this many multiply-adds a fork-join costs more than it saves.
    private const long MinimumParallelWork = 1L << 15;

    // Up to this size each worker keeps its own share of the rows, which then stays in its cache from call to call; beyond,
    // rows are handed out, so that a worker that lost its processor does not hold up the others.
    private const long LargestCachedBytes = 8L << 20;

    /// <summary>What the workers share; lives on the stack of the launching thread.</summary>
    private struct StreamJob
    {
        // The tokens as the kernels want them: as given for f32 weights, split into even and odd elements for bf16.
        public float* Tokens;
        public long TokenStride;
        public float* Input;
        public long InputStride;
        public MatrixView Weight;
        public float* Output;
        public long OutputStride;
        public int TokenCount;
        public int VectorLength;
        public int PartRows;
        public bool Accumulate;

        // Whether rows are handed out as workers ask; else each has a fixed share.
        public bool HandsOut;

        public int Ticket;
    }

    private static bool HasFused256 => Vector256.IsHardwareAccelerated && Fma.IsSupported;

    /// <summary>Weights a step of the vector kernels takes; the rest of a row is summed one by one.</summary>
    private static int StepOf(DType type)
    {
        int lanes = Vector512.IsHardwareAccelerated ? 16 : HasFused256 ? 8 : Vector128.IsHardwareAccelerated ? 4 : 0;
        return type == DType.BF16 ? 2 * lanes : lanes;
    }

    private static void Stream(
        CpuDevice cpu,
        float* input,
        long inputStride,
        in MatrixView weight,
        float* output,
        long outputStride,
        int tokens,
        bool accumulate)
    {
        CheckWeight(weight);
        var mark = cpu.Scratch.Mark();
        int workers = (long)tokens * weight.Rows * weight.Columns < MinimumParallelWork ? 1 : cpu.Workers.Count;
        int step = StepOf(weight.Type);
        var job = new StreamJob
        {
            Tokens = input,
            TokenStride = inputStride,
            Input = input,
            InputStride = inputStride,
            Weight = weight,
            Output = output,
            OutputStride = outputStride,
            TokenCount = tokens,
            VectorLength = step == 0 ? 0 : weight.Columns / step * step,
            Accumulate = accumulate,
            HandsOut = weight.Rows * weight.Stride * weight.Type.Bytes() > LargestCachedBytes,

            // Eight parts a worker: small enough to even out a worker that lost its processor, whole groups of rows.
            PartRows = Math.Max(8, ((weight.Rows / (8 * workers)) + 7) & ~7),
        };
        if (weight.Type == DType.BF16 && job.VectorLength > 0)
        {
            job.TokenStride = (job.VectorLength + 15) & ~15;
            job.Tokens = cpu.Scratch.Floats(tokens * job.TokenStride);
            SplitTokens(input, inputStride, job.Tokens, job.TokenStride, tokens, job.VectorLength, step / 2);
        }

        if (workers == 1 && !cpu.IsPlanning)
        {
            StreamBody(&job, 0, 1);
        }
        else
        {
            cpu.Workers.Run(&StreamBody, &job);
        }

        cpu.Scratch.Release(mark);
    }

    private static void CheckWeight(in MatrixView weight)
    {
        if (weight.Type is not (DType.F32 or DType.BF16))
        {
            throw new ArgumentException($"linear weight: element type {weight.Type.Label()} is neither f32 nor bf16", nameof(weight));
        }

        if (weight.Rows > 1 && weight.Stride < weight.Columns)
        {
            throw new ArgumentException(
                $"linear weight: a stride of {weight.Stride} is below its {weight.Columns} columns", nameof(weight));
        }
    }

    /// <summary>Within every 2·lanes elements: the even ones first, then the odd ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SplitTokens(float* input, long inputStride, float* split, long splitStride, int tokens, int length, int lanes)
    {
        for (int t = 0; t < tokens; t++, input += inputStride, split += splitStride)
        {
            for (int i = 0; i < length; i += 2 * lanes)
            {
                if (Avx512F.IsSupported && lanes == 16)
                {
                    Vector512<float> low = Vector512.Load(input + i);
                    Vector512<float> high = Vector512.Load(input + i + 16);
                    Avx512F.PermuteVar16x32x2(low, Vector512.CreateSequence(0, 2), high).Store(split + i);
                    Avx512F.PermuteVar16x32x2(low, Vector512.CreateSequence(1, 2), high).Store(split + i + 16);
                    continue;
                }

                for (int l = 0; l < lanes; l++)
                {
                    split[i + l] = input[i + (2 * l)];
                    split[i + lanes + l] = input[i + (2 * l) + 1];
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StreamBody(void* context, int worker, int workers)
    {
        StreamJob* job = (StreamJob*)context;
        int rows = job->Weight.Rows;
        int start;
        if (!job->HandsOut)
        {
            (start, int last) = WorkerPool.Share(rows, worker, workers, 8);
            StreamPart(job, start, last);
            return;
        }

        while ((start = (Interlocked.Increment(ref job->Ticket) - 1) * job->PartRows) < rows)
        {
            StreamPart(job, start, Math.Min(start + job->PartRows, rows));
        }
    }

    private static void StreamPart(StreamJob* job, int start, int end)
    {
        if (Vector512.IsHardwareAccelerated)
        {
            StreamRows512(job, start, end);
        }
        else
        {
            StreamRowsNarrow(job, start, end);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StreamRows512(StreamJob* job, int row, int end)
    {
        bool bf16 = job->Weight.Type == DType.BF16;
        long stride = job->Weight.Stride;
        int length = job->VectorLength;
        float* sums = stackalloc float[16];

        // Eight rows of bf16 side by side keep both multipliers busy with one token; with several, the groups of tokens find
        // a group of four rows in cache.
        int group = bf16 && job->TokenCount == 1 ? 8 : 4;
        for (; row + group <= end; row += group)
        {
            float* weight = job->Weight.Floats + (row * stride);
            ushort* halves = job->Weight.Halves + (row * stride);
            int token = 0;
            for (; token + 4 <= job->TokenCount; token += 4)
            {
                float* x = job->Tokens + (token * job->TokenStride);
                if (bf16)
                {
                    DotBf16x512T4R4(halves, stride, x, job->TokenStride, length, sums);
                }
                else
                {
                    DotF32x512T4R4(weight, stride, x, job->TokenStride, length, sums);
                }

                Finish(job, sums, row, 4, token, 4);
            }

            for (; token + 2 <= job->TokenCount; token += 2)
            {
                float* x = job->Tokens + (token * job->TokenStride);
                if (bf16)
                {
                    DotBf16x512T2R4(halves, stride, x, job->TokenStride, length, sums);
                }
                else
                {
                    DotF32x512T2R4(weight, stride, x, job->TokenStride, length, sums);
                }

                Finish(job, sums, row, 4, token, 2);
            }

            if (token < job->TokenCount)
            {
                float* x = job->Tokens + (token * job->TokenStride);
                if (!bf16)
                {
                    DotF32x512T1R4(weight, stride, x, length, sums);
                }
                else if (group == 8)
                {
                    DotBf16x512T1R8(halves, stride, x, length, sums);
                }
                else
                {
                    DotBf16x512T1R4(halves, stride, x, length, sums);
                }

                Finish(job, sums, row, group, token, 1);
            }
        }

        for (; row < end; row++)
        {
            StreamSingleRow(job, row);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void StreamRowsNarrow(StreamJob* job, int row, int end)
    {
        long stride = job->Weight.Stride;
        float* sums = stackalloc float[4];
        for (; row + 4 <= end && job->VectorLength > 0; row += 4)
        {
            for (int token = 0; token < job->TokenCount; token++)
            {
                float* x = job->Tokens + (token * job->TokenStride);
                float* weight = job->Weight.Floats + (row * stride);
                ushort* halves = job->Weight.Halves + (row * stride);
                switch (job->Weight.Type, HasFused256)
                {
                    case (DType.BF16, true):
                        DotBf16x256T1R4(halves, stride, x, job->VectorLength, sums);
                        break;
                    case (DType.BF16, false):
                        DotBf16x128T1R4(halves, stride, x, job->VectorLength, sums);
                        break;
                    case (_, true):
                        DotF32x256T1R4(weight, stride, x, job->VectorLength, sums);
                        break;
                    default:
                        DotF32x128T1R4(weight, stride, x, job->VectorLength, sums);
                        break;
                }

                Finish(job, sums, row, 4, token, 1);
            }
        }

        for (; row < end; row++)
        {
            StreamSingleRow(job, row);
        }
    }

    private static void StreamSingleRow(StreamJob* job, int row)
    {
        long offset = row * job->Weight.Stride;
        for (int token = 0; token < job->TokenCount; token++)
        {
            float* x = job->Tokens + (token * job->TokenStride);
            float sum = 0;
            if (job->VectorLength > 0)
            {
                DotSingle(job->Weight.Type, job->Weight.Halves + offset, job->Weight.Floats + offset, x, job->VectorLength, &sum);
            }

            Finish(job, &sum, row, 1, token, 1);
        }
    }

    private static void DotSingle(DType type, ushort* halves, float* weight, float* x, int length, float* sum)
    {
        switch (type, Vector512.IsHardwareAccelerated, HasFused256)
        {
            case (DType.BF16, true, _):
                DotBf16x512T1R1(halves, x, length, sum);
                break;
            case (DType.BF16, false, true):
                DotBf16x256T1R1(halves, x, length, sum);
                break;
            case (DType.BF16, false, false):
                DotBf16x128T1R1(halves, x, length, sum);
                break;
            case (_, true, _):
                DotF32x512T1R1(weight, x, length, sum);
                break;
            case (_, false, true):
                DotF32x256T1R1(weight, x, length, sum);
                break;
            default:
                DotF32x128T1R1(weight, x, length, sum);
                break;
        }
    }

    /// <summary>Adds what the vectors left of each row and stores: sums[token · rows + row].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Finish(StreamJob* job, float* sums, int row, int rows, int token, int tokens)
    {
        int columns = job->Weight.Columns;
        for (int t = 0; t < tokens; t++)
        {
            float* x = job->Input + ((token + t) * job->InputStride);
            float* y = job->Output + ((token + t) * job->OutputStride) + row;
            for (int r = 0; r < rows; r++)
            {
                float sum = sums[(t * rows) + r];
                long offset = (row + r) * job->Weight.Stride;
                for (int i = job->VectorLength; i < columns; i++)
                {
                    float w = job->Weight.Type == DType.BF16 ? Bf16.Widen(job->Weight.Halves[offset + i]) : job->Weight.Floats[offset + i];
                    sum += x[i] * w;
                }

                y[r] = job->Accumulate ? y[r] + sum : sum;
            }
        }
    }
}
